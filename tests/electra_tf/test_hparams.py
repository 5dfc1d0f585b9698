"""What follows from the declarations of hyperparameters, docs/training.md included."""

import dataclasses

import pytest
from helpers import ROOT, processes
from helpers.originals import HPARAMS

from electra_tf import config as config_lib
from electra_tf import hparams
from electra_tf.config import PretrainingConfig, TransformerConfig

SETTINGS = (PretrainingConfig, TransformerConfig)


def table(settings: type) -> str:
    """The table of docs/training.md."""
    rows = [("hyperparameter", "default", "must be", "", "resuming", "original")]
    rows += [("---",) * 6]
    for field in dataclasses.fields(settings):
        declared = field.metadata
        allowed = declared["allowed"].words if declared["allowed"] else ""
        rows.append(
            (
                f"`{field.name}`",
                hparams.default_text(field),
                allowed or ", ".join(declared["choices"]),
                declared["help"],
                "may change" if declared["may_change"] else "",
                "" if declared["original"] else "no",
            )
        )
    columns = 6 if settings is PretrainingConfig else 4
    return "".join("| " + " | ".join(row[:columns]) + " |\n" for row in rows)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_docs_table_is_what_the_code_declares(settings):
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert table(settings) in text


def test_exactly_the_originals_hyperparameters_are_declared_as_its():
    declared = hparams.names(PretrainingConfig, original=True)
    assert declared <= HPARAMS
    # The others are accepted too, so that its JSON files load.
    others = {name: None for name in HPARAMS - declared}
    assert config_lib.from_dict(others, "here") == PretrainingConfig()
    new = hparams.names(PretrainingConfig, original=False)
    assert not new & HPARAMS and declared | new == hparams.names(PretrainingConfig)


def test_help_lists_every_hyperparameter_with_its_default():
    printed = processes.check("-m", "electra_tf.run_pretraining", "--help").out
    for settings in SETTINGS:
        for field in dataclasses.fields(settings):
            assert f"  {field.name}={hparams.default_text(field)} " in printed
    assert '  model_size="small" ' in printed


def test_every_declaration_explains_itself():
    for settings in SETTINGS:
        for field in dataclasses.fields(settings):
            assert field.metadata["help"].endswith("."), field.name
