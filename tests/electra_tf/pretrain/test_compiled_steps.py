"""Compiled steps: they learn, repeat bit by bit, and stop where a loss breaks."""

import math

import numpy as np
import pytest
import tensorflow as tf
from helpers import processes, tiny

from electra_tf.pretrain.compiled_steps import Trainer
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
    return running.train_steps(iter(running.distribute(batches)), first_step, count)


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
        batches = iter(running.distribute(tiny.varied_batches(0)))
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
    batches = iter(running.distribute(tiny.varied_batches(0)))
    apart = [running.train_steps(batches, step, 1) for step in range(4)]
    tiny.assert_bit_equal(tiny.values(running), after)
    assert together.steps == 4 and together.finite
    for name, value in together.sums.items():
        total = sum(interval.sums[name] for interval in apart)
        np.testing.assert_allclose(value, total, rtol=1e-5, err_msg=name)


def test_no_steps_change_nothing_and_take_no_batch(running):
    before = tiny.values(running)
    batches = iter(running.distribute(tiny.varied_batches(0)))
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


def test_waiting_for_slow_input_is_measured(running):
    def slow(context):
        def wait(batch):
            with tf.control_dependencies([tf.py_function(pause, [], [])]):
                return tf.nest.map_structure(tf.identity, batch)

        return tiny.varied_batches(0)(context).map(wait, num_parallel_calls=1)

    def pause() -> None:
        import time

        time.sleep(0.1)

    interval = running.train_steps(iter(running.distribute(slow)), 0, 5)
    assert 0.2 < interval.input_wait_seconds < 2.0
    ready = iter(running.distribute(tiny.varied_batches(0)))
    assert running.train_steps(ready, 0, 5).input_wait_seconds < 0.2


_ON_ONE_CORE = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import tensorflow as tf
from helpers import tiny
from electra_tf.pretrain.compiled_steps import Trainer
running = Trainer(tiny.config({"num_hidden_layers": 1}), tf.distribute.get_strategy())
batches = iter(running.distribute(tiny.varied_batches(0)))
running.train_steps(batches, 0, 0)
begin = time.monotonic()
waited = running.train_steps(batches, 0, 20).input_wait_seconds
assert waited < 0.5 * (time.monotonic() - begin), waited
"""


def test_on_one_core_the_step_is_not_taken_for_waiting():
    processes.check("-c", _ON_ONE_CORE, warm=True)
