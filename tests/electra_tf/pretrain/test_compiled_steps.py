"""Compiled steps: they learn, repeat bit by bit, and stop where a loss breaks."""

import math

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from electra_tf.pretrain.compiled_steps import Trainer
from electra_tf.pretrain.step import zero_sums
from electra_tf.run_folder import checkpoints

CONFIG = {"learning_rate": 1e-2, "overrides": {"num_hidden_layers": 1}}


@pytest.fixture(scope="module")
def config():
    return tiny.config(**CONFIG)


@pytest.fixture(scope="module")
def compiled(config, cpu) -> tuple[Trainer, dict[str, np.ndarray]]:
    """One trainer for all tests, since its graph takes seconds; and how it began."""
    running = Trainer(config, cpu)
    return running, tiny.values(running)


@pytest.fixture
def running(compiled) -> Trainer:
    """The shared trainer, at its start."""
    running, start = compiled
    tiny.assign(running, start)
    return running


def train(running: Trainer, first_step: int, count: int):
    batches = tiny.varied_batches(first_step)
    return running.train_steps(tiny.iterator(running, batches), first_step, count)


def test_losses_begin_at_chance(running):
    values = running.evaluate(tiny.held_out_batches)
    assert values["masked_lm_loss"] == pytest.approx(math.log(40), rel=0.02)
    assert values["disc_loss"] == pytest.approx(math.log(2), rel=0.02)


def test_same_seed_gives_the_same_weights_bit_by_bit(running, config, cpu):
    assert config.discriminator().hidden_dropout_prob > 0
    other = Trainer(config, cpu)
    start = tiny.values(running)
    tiny.assert_bit_equal(start, tiny.values(other))
    for each in (running, other):
        train(each, 0, 6)
    after = tiny.values(running)
    tiny.assert_bit_equal(after, tiny.values(other))
    assert not [name for name in start if np.array_equal(after[name], start[name])]


def test_step_decides_masks_samples_and_dropout(running):
    start = tiny.values(running)

    def sums(first_step: int) -> dict[str, np.ndarray]:
        tiny.assign(running, start)
        batches = tiny.iterator(running, tiny.varied_batches(0))
        return running.train_steps(batches, first_step, 1).sums

    tiny.assert_bit_equal(sums(10), sums(10))
    assert sums(10)["disc_loss"] != sums(11)["disc_loss"]


def test_resumed_run_ends_where_the_unbroken_one_does(running, tmp_path):
    train(running, 0, 3)
    checkpoints.save(str(tmp_path), 3, running.checkpoint_variables, 5)
    train(running, 3, 3)
    unbroken = tiny.values(running)
    for variable in running.checkpoint_variables.values():
        variable.assign(tf.ones_like(variable))
    step = checkpoints.restore_or_initialise(
        str(tmp_path), running.checkpoint_variables
    )
    train(running, step, 3)
    tiny.assert_bit_equal(tiny.values(running), unbroken)


def test_steps_in_one_call_or_many_are_the_same(running):
    start = tiny.values(running)
    together = train(running, 0, 4)
    after = tiny.values(running)
    tiny.assign(running, start)
    batches = tiny.iterator(running, tiny.varied_batches(0))
    apart = [running.train_steps(batches, step, 1) for step in range(4)]
    tiny.assert_bit_equal(tiny.values(running), after)
    assert together.steps == 4 and together.finite
    for name, value in together.sums.items():
        total = sum(interval.sums[name] for interval in apart)
        np.testing.assert_allclose(value, total, rtol=1e-5, err_msg=name)


def test_no_steps_change_nothing_and_take_no_batch(running):
    before = tiny.values(running)
    batches = tiny.iterator(running, tiny.varied_batches(0))
    assert running.train_steps(batches, 0, 0).steps == 0
    tiny.assert_bit_equal(tiny.values(running), before)
    running.train_steps(batches, 0, 2)
    after = tiny.values(running)
    tiny.assign(running, before)
    train(running, 0, 2)
    tiny.assert_bit_equal(tiny.values(running), after)


def test_evaluation_repeats_and_changes_nothing(running):
    before = tiny.values(running)
    first = running.evaluate(tiny.held_out_batches)
    assert running.evaluate(tiny.held_out_batches) == first
    tiny.assert_bit_equal(tiny.values(running), before)


@pytest.mark.parametrize(
    "name",
    ["discriminator_predictions/dense/bias", "generator_predictions/output_bias"],
)
def test_first_step_that_is_not_finite_is_the_last(running, name):
    variable = running.model.named_variables[name]
    broken = variable.numpy()
    broken[3] = math.nan
    variable.assign(broken)
    interval = train(running, 5, 4)
    assert (interval.steps, interval.finite) == (1, False)


def needs(tensor: tf.Tensor) -> set[str]:
    """Names of the operations that come before this one in its graph."""
    seen, waiting = set(), [tensor.op]
    while waiting:
        op = waiting.pop()
        before = [*op.control_inputs, *(x.op for x in op.inputs)]
        waiting += [each for each in before if each.name not in seen]
        seen |= {each.name for each in before}
    return seen


def test_only_waiting_for_a_batch_counts_as_waiting(config, cpu, monkeypatch):
    time, clocks, taken = [0.0], [], []

    def passing(seconds: float) -> tf.Tensor:
        """Reads a clock that nothing else moves, after so many seconds."""

        def move() -> float:
            time[0] += seconds
            return time[0]

        return tf.ensure_shape(tf.numpy_function(move, [], tf.float64), [])

    def timestamp() -> tf.Tensor:
        clocks.append(passing(0.0))
        return clocks[-1]

    def slow_input(context):
        def wait(batch):
            with tf.control_dependencies([passing(1.0)]):
                return tf.nest.map_structure(tf.identity, batch)

        in_turn = tf.data.Options()
        in_turn.experimental_optimization.inject_prefetch = False
        return tiny.varied_batches(0)(context).map(wait).with_options(in_turn)

    def slow_step(batch, step):
        taken.append((batch["input_ids"], step))
        with tf.control_dependencies([step, *batch.values()]):
            with tf.control_dependencies([passing(100.0)]):
                return tf.nest.map_structure(tf.identity, zero_sums(config))

    monkeypatch.setattr(tf, "timestamp", timestamp)
    running = Trainer(config, cpu)
    running.replica_step = slow_step
    interval = running.train_steps(tiny.iterator(running, slow_input), 0, 5)
    assert (interval.steps, interval.input_wait_seconds) == (5, 5.0)
    assert time == [505.0]
    # Whatever the threads: the last step, the clock, the batch, the clock, this step.
    (begin, end), ((ids, step),) = clocks, taken
    sums_before = {x.op.name for x in begin.graph.inputs if x.dtype == tf.float32}
    assert len(sums_before) == len(zero_sums(config)) and sums_before <= needs(begin)
    assert begin.op.name in needs(ids)
    assert ids.op.name in needs(end)
    assert end.op.name in needs(step)
