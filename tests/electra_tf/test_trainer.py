"""Tiny runs: they learn, repeat bit by bit, resume, and stop when the loss breaks."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_prep.cli import UserError
from electra_tf import checkpoints, trainer
from electra_tf.trainer import MetricsLog, Trainer

CONFIG = {
    "num_train_steps": 60,
    "num_warmup_steps": 5,
    "learning_rate": 1e-2,
    "iterations_per_loop": 10,
    "save_checkpoints_steps": 30,
    "overrides": {"num_hidden_layers": 1},
}


@pytest.fixture(scope="module")
def config():
    return tiny.config(**CONFIG)


@pytest.fixture(scope="module")
def compiled(config, cpu) -> tuple[Trainer, dict[str, np.ndarray]]:
    """One trainer for all tests, since its graph takes seconds; and how it began."""
    running = Trainer(config, cpu)
    variables = running.checkpoint_variables
    return running, {name: variable.numpy() for name, variable in variables.items()}


@pytest.fixture
def running(compiled) -> Trainer:
    """The shared trainer, at its start."""
    running, start = compiled
    for name, variable in running.checkpoint_variables.items():
        variable.assign(start[name])
    return running


def learnable(config) -> tf.data.Dataset:
    """The same batch for ever: every position has its own token."""
    inputs = tiny.inputs([tiny.LENGTH] * config.train_batch_size)
    ids = tf.range(5, 5 + tiny.LENGTH) * tf.ones_like(inputs.input_ids)
    batch = inputs._replace(input_ids=ids)._asdict()
    return tf.data.Dataset.from_tensors(batch).repeat()


def varied(config, first_step: int = 0) -> tf.data.Dataset:
    """Other random rows at every step."""
    batches = [
        tiny.inputs([tiny.LENGTH, 9, 5, 12] * 2, seed=seed)._asdict()
        for seed in range(first_step, 8)
    ]
    stacked = {
        name: tf.stack([batch[name] for batch in batches]) for name in batches[0]
    }
    return tf.data.Dataset.from_tensor_slices(stacked).repeat()


def held_out(config) -> tf.data.Dataset:
    rows = [tiny.inputs([16, 9, 12, 5], seed=50)._asdict()]
    rows += [tiny.inputs([16, 16, 9, 9], seed=51)._asdict()]
    stacked = {name: tf.stack([row[name] for row in rows]) for name in rows[0]}
    return tf.data.Dataset.from_tensor_slices(stacked)


def iterator(running: Trainer, dataset: tf.data.Dataset):
    return iter(running.strategy.experimental_distribute_dataset(dataset))


def state(running: Trainer) -> dict[str, np.ndarray]:
    return {name: v.numpy() for name, v in running.checkpoint_variables.items()}


def assert_bit_equal(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    assert [
        name for name in first if not np.array_equal(first[name], second[name])
    ] == []


def records(folder) -> list[dict]:
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_loss_of_a_repeated_batch_halves(running, config, tmp_path):
    dataset = learnable(config)
    trainer.train(running, str(tmp_path), dataset, held_out(config), 0)
    lines = records(tmp_path)
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in train] == [10, 20, 30, 40, 50, 60]
    assert [line["step"] for line in lines if line["kind"] == "eval"] == [0, 60]
    start = config.gen_weight * math.log(40) + config.disc_weight * math.log(2)
    assert train[-1]["loss"] < start / 2
    assert train[-1]["loss"] < train[0]["loss"]
    assert checkpoints.steps(str(tmp_path)) == [30, 60]
    assert all(line["grad_norm"] > 0 for line in train)


def test_losses_begin_at_chance(running, config):
    values = running.evaluate(held_out(config))
    assert values["masked_lm_loss"] == pytest.approx(math.log(40), rel=0.02)
    assert values["disc_loss"] == pytest.approx(math.log(2), rel=0.02)


def test_same_seed_gives_the_same_weights_bit_by_bit(running, config, cpu):
    assert config.discriminator().hidden_dropout_prob > 0
    other = Trainer(config, cpu)
    assert_bit_equal(state(running), state(other))
    start = state(running)
    for each in (running, other):
        each.train_steps(iterator(each, varied(config)), 0, 6)
    assert_bit_equal(state(running), state(other))
    moved = [
        n for n, value in state(running).items() if not np.array_equal(value, start[n])
    ]
    assert len(moved) == len(start)


def test_step_decides_masks_samples_and_dropout(running, config):
    start = state(running)

    def sums(first_step: int) -> dict[str, np.ndarray]:
        for name, variable in running.checkpoint_variables.items():
            variable.assign(start[name])
        return running.train_steps(iterator(running, varied(config)), first_step, 1)

    assert_bit_equal(sums(10), sums(10))
    assert sums(10)["disc_loss"] != sums(11)["disc_loss"]


def test_resumed_run_ends_where_the_unbroken_one_does(running, config, tmp_path):
    running.train_steps(iterator(running, varied(config)), 0, 3)
    checkpoints.save(str(tmp_path), 3, running.checkpoint_variables, 5)
    running.train_steps(iterator(running, varied(config, 3)), 3, 3)
    unbroken = state(running)
    for variable in running.checkpoint_variables.values():
        variable.assign(tf.ones_like(variable))
    step = checkpoints.restore_or_initialise(
        str(tmp_path), running.checkpoint_variables
    )
    running.train_steps(iterator(running, varied(config, step)), step, 3)
    assert_bit_equal(state(running), unbroken)


def test_steps_in_one_call_or_many_are_the_same(running, config):
    start = state(running)
    running.train_steps(iterator(running, varied(config)), 0, 4)
    together = state(running)
    for name, variable in running.checkpoint_variables.items():
        variable.assign(start[name])
    batches = iterator(running, varied(config))
    for step in range(4):
        running.train_steps(batches, step, 1)
    assert_bit_equal(state(running), together)


def test_evaluation_repeats_and_changes_nothing(running, config):
    before = state(running)
    first = running.evaluate(held_out(config))
    assert running.evaluate(held_out(config)) == first
    assert_bit_equal(state(running), before)


def test_loss_that_is_not_finite_stops_the_run(running, config, tmp_path):
    dataset = learnable(config)
    running.model.named_variables["discriminator_predictions/dense/bias"].assign(
        tf.fill([32], math.nan)
    )
    with pytest.raises(UserError, match="loss is nan between steps 30 and 40"):
        trainer.train(running, str(tmp_path), dataset, None, 30)
    assert checkpoints.steps(str(tmp_path)) == []


def test_finished_run_trains_no_further(running, config, tmp_path):
    before = state(running)
    trainer.train(running, str(tmp_path), learnable(config), None, 60)
    assert_bit_equal(state(running), before)


def test_log_drops_lines_past_the_restored_step(tmp_path):
    log = MetricsLog(str(tmp_path), 0)
    log.write("eval", 0, {"loss": 3.0})
    for step in (10, 20, 30):
        log.write("train", step, {"loss": 1.0 / step})
    log.write("eval", 30, {"loss": 2.0})
    resumed = MetricsLog(str(tmp_path), 20)
    assert [line["step"] for line in records(tmp_path)] == [0, 10, 20]
    assert resumed.has_eval(0) and not resumed.has_eval(30)
    resumed.write("train", 30, {"loss": 0.5})
    lines = records(tmp_path)
    assert [line["step"] for line in lines] == [0, 10, 20, 30]
    assert lines[-1] == {"kind": "train", "step": 30, "loss": 0.5}


def test_log_with_a_half_written_last_line_is_read(tmp_path):
    log = MetricsLog(str(tmp_path), 0)
    log.write("train", 10, {"loss": 1.0})
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"kind": "train", "st')
    MetricsLog(str(tmp_path), 10)
    assert [line["step"] for line in records(tmp_path)] == [10]
