"""What tests of networks share."""

import dataclasses
from collections.abc import Iterator

import pytest
from helpers import known_networks

from electra_tf.finetune import protocol
from electra_tf.model import compiled_ops


@pytest.fixture(scope="module")
def plain() -> Iterator[None]:
    """Compiling takes longer than all that these tests compute."""
    with compiled_ops.plain_operations():
        yield


@pytest.fixture
def networks(monkeypatch, cpu):
    """Runs some seeds with accuracies by epoch; returns (results, what was asked)."""

    def score(wanted: protocol.Run, **accuracies: list[float]):
        calls: list = []
        by_seed = {int(name[1:]): values for name, values in accuracies.items()}
        monkeypatch.setattr(
            protocol,
            "make_finetuner",
            lambda run, steps, seed: known_networks.Network(seed, by_seed[seed], calls),
        )
        wanted = dataclasses.replace(wanted, strategy=cpu)
        return protocol.score(wanted, sorted(by_seed)), calls

    return score
