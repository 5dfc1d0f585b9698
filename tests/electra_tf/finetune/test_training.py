"""Epochs of a network on a task: it learns, repeatably, or says that it diverged."""

import functools
import math
from typing import NamedTuple

import numpy as np
import pytest
from helpers import small

from data_prep.records.ragged import Ragged
from electra_tf.finetune.batches import Batches
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.training import DivergedError, Finetuner

pytestmark = pytest.mark.usefixtures("plain")
# Random ids are 10 and more; these tell the answer.
SIGNS = (5, 6)
NUM_ROWS, EPOCHS = 48, 12


def toy(kind: kinds.Kind) -> Features:
    """Sequences whose answer is told by one of SIGNS, at any place after [CLS]."""
    rng = np.random.RandomState(0)
    group = 2 if kind is kinds.MULTIPLE_CHOICE else 1
    signs = np.tile([0, 1], NUM_ROWS * group // 2)
    if group == 2:
        signs = np.concatenate([rng.permutation(2) for _ in range(NUM_ROWS)])
    rows, places = [], []
    for sign in signs:
        length = rng.randint(2, 7)
        places.append(1 + rng.randint(length))
        body = [2, *rng.randint(10, small.NETWORK.vocab_size, length)]
        body[places[-1]] = SIGNS[sign]
        rows.append([int(token) for token in body])
    targets = {
        kinds.CLASSIFICATION: signs.astype(np.int32),
        kinds.MULTI_LABEL: np.eye(3, dtype=np.float32)[signs],
        kinds.REGRESSION: 2.0 * signs.astype(np.float32) - 1.0,
        kinds.MULTIPLE_CHOICE: signs.reshape(-1, group).argmax(1).astype(np.int32),
        kinds.QUESTION_ANSWERING: np.int32([[place, place] for place in places]),
        kinds.TAGGING: Ragged.from_rows(
            [[1 + SIGNS.index(t) if t in SIGNS else 0 for t in row] for row in rows]
        ),
    }
    return small.features(rows, targets[kind], group)


def right(kind: kinds.Kind, logits: np.ndarray, features: Features, row: int) -> bool:
    """Whether a row's logits say the answer."""
    targets = features.targets
    if kind is kinds.TAGGING:
        expected = targets.row(row)
        return bool((logits[: len(expected)].argmax(-1) == expected).all())
    if kind is kinds.QUESTION_ANSWERING:
        length = features.input_ids.lengths[row]
        return logits[:length].argmax(0).tolist() == targets[row].tolist()
    if kind is kinds.MULTI_LABEL:
        return ((logits > 0) == (targets[row] > 0)).all()
    if kind is kinds.REGRESSION:
        return (logits > 0) == (targets[row] > 0)
    return logits.argmax() == targets[row]


def finetuner(cpu, kind: kinds.Kind, seed: int = 0, epochs: int = EPOCHS, **changes):
    """At its start, random but for `changes` of the settings."""
    settings = small.settings(**{"learning_rate": 0.003, **changes})
    make_model = functools.partial(small.new_model, kind, seed)
    steps = epochs * math.ceil(NUM_ROWS / settings.train_batch_size)
    return Finetuner(make_model, cpu, settings, steps, seed)


def batches(kind: kinds.Kind) -> Batches:
    # Two lengths: with one the network would be compiled.
    return Batches(toy(kind), [4, 8], 8)


class Trained(NamedTuple):
    """A network after all its epochs."""

    learner: Finetuner
    losses: list[float]
    weights: list[dict[str, np.ndarray]]  # at the start, and after each epoch


@pytest.fixture(scope="module")
def trained(request, cpu) -> Trained:
    learner, data = finetuner(cpu, request.param), batches(request.param)
    losses, weights = [], [learner.weights()]
    for epoch in range(EPOCHS):
        losses.append(learner.train_epoch(data, epoch))
        weights.append(learner.weights())
    return Trained(learner, losses, weights)


def trained_on(*which: kinds.Kind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("trained", which, ids=str, indirect=True)


@trained_on(*kinds.KINDS.values())
def test_each_kind_of_task_is_learnt(trained):
    learner, losses, _ = trained
    kind = learner.model.kind
    assert losses[-1] < 0.5 * losses[0]
    logits = learner.predict(batches(kind))
    answers = [right(kind, value, toy(kind), row) for row, value in enumerate(logits)]
    assert np.mean(answers) > 0.95


@trained_on(kinds.CLASSIFICATION)
def test_a_seed_decides_the_weights(trained, cpu):
    expected = trained.weights[1]
    for seed in (0, 4):
        learner = finetuner(cpu, kinds.CLASSIFICATION, seed)
        learner.train_epoch(batches(kinds.CLASSIFICATION), 0)
        weights = learner.weights()
        same = [name for name in weights if (weights[name] == expected[name]).all()]
        assert ("classifier/out_proj/kernel" in same) == (seed == 0)
        assert (same == list(weights)) == (seed == 0)


@trained_on(kinds.REGRESSION)
def test_weights_that_are_kept_come_back(trained):
    kind, learner = kinds.REGRESSION, trained.learner
    data, kept = batches(kind), trained.weights[-1]
    before = learner.predict(data)
    learner.assign(trained.weights[0])
    assert not np.allclose(learner.predict(data), before)
    learner.assign(kept)
    np.testing.assert_array_equal(learner.predict(data), before)
    # Nor does it matter which rows share a batch.
    alone = learner.predict(Batches(toy(kind), [8, 16], 5))
    np.testing.assert_allclose(alone, before, rtol=1e-5, atol=1e-6)


def test_divergence_is_an_error(cpu):
    learner = finetuner(
        cpu, kinds.REGRESSION, epochs=1, learning_rate=1e30, warmup_proportion=0.0
    )
    data = batches(kinds.REGRESSION)
    with pytest.raises(DivergedError, match="loss of epoch 1 .*--learning_rate"):
        learner.train_epoch(data, 0)
    with pytest.raises(DivergedError, match="outputs are not finite"):
        learner.predict(data)


def test_nothing_to_predict(cpu):
    learner = finetuner(cpu, kinds.QUESTION_ANSWERING)
    empty = small.features([], np.zeros([0, 2], np.int32))
    assert learner.predict(Batches(empty, [8], 4)) == []


def test_rates_fall_from_head_to_embeddings(cpu):
    learner = finetuner(
        cpu, kinds.CLASSIFICATION, layerwise_lr_decay=1e-60, warmup_proportion=0.0
    )
    before = learner.weights()
    learner.train_epoch(batches(kinds.CLASSIFICATION), 0)
    moved = {n for n, v in learner.weights().items() if not (v == before[n]).all()}
    assert moved == {n for n in before if n.startswith("classifier/")}
