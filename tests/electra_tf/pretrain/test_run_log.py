"""The run's log: each step once, also after a resume, in every file."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from common import files
from electra_tf.pretrain import flops, metrics, run_log
from electra_tf.pretrain.compiled_steps import Interval
from electra_tf.pretrain.run_log import MetricsLog


def records(folder: pathlib.Path) -> list[dict]:
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def scalars(folder: pathlib.Path, kind: str) -> list[tuple[str, int, float]]:
    """(name, step, value) as TensorBoard's files hold them."""
    found = []
    for path in sorted((folder / "tensorboard" / kind).iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = tf.make_ndarray(value.tensor).item()
                found.append((value.tag, event.step, number))
    return found


def written(folder: pathlib.Path) -> MetricsLog:
    log = MetricsLog(str(folder), 0)
    log.write("eval", 0, {"loss": 3.0})
    for step in (10, 20, 30):
        log.write("train", step, {"loss": 1.0 / step})
    log.warn(30, "loss_spike", "the loss is high")
    log.write("eval", 30, {"loss": 2.0})
    return log


def test_lines_are_in_both_files(tmp_path):
    written(tmp_path)
    lines = records(tmp_path)
    assert [line["step"] for line in lines] == [0, 10, 20, 30, 30, 30]
    assert lines[1] == {"kind": "train", "step": 10, "loss": 0.1}
    expected = {"kind": "warning", "step": 30, "rule": "loss_spike"}
    assert lines[4] == expected | {"text": "the loss is high"}
    assert scalars(tmp_path, "eval") == [("loss", 0, 3.0), ("loss", 30, 2.0)]
    assert [step for _, step, _ in scalars(tmp_path, "train")] == [10, 20, 30]


def test_resumed_log_drops_what_is_past_the_restored_step(tmp_path):
    written(tmp_path)
    resumed = MetricsLog(str(tmp_path), 20)
    assert [line["step"] for line in records(tmp_path)] == [0, 10, 20]
    resumed.write("train", 30, {"loss": 0.5})
    assert [line["step"] for line in records(tmp_path)] == [0, 10, 20, 30]
    assert records(tmp_path)[-1]["loss"] == 0.5
    assert [step for _, step, _ in scalars(tmp_path, "train")] == [10, 20, 30]
    assert scalars(tmp_path, "train")[-1][2] == 0.5
    assert scalars(tmp_path, "eval") == [("loss", 0, 3.0)]


class Killed(BaseException):
    """What a test ends a process with."""


def test_a_kill_while_events_are_dropped_doubles_none(tmp_path, monkeypatch):
    def kill(*_) -> None:
        raise Killed

    written(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(files, "rename", kill)
        MetricsLog(str(tmp_path), 20)
    resumed = MetricsLog(str(tmp_path), 20)
    resumed.write("train", 30, {"loss": 0.5})
    assert sorted(step for _, step, _ in scalars(tmp_path, "train")) == [10, 20, 30]
    # TensorBoard reads every file whose name has this word.
    names = [path.name for path in (tmp_path / "tensorboard").rglob("*tfevents*")]
    assert not [name for name in names if name.endswith(".tmp")]


def test_events_without_a_whole_one_are_dropped(tmp_path):
    written(tmp_path)
    (events,) = (tmp_path / "tensorboard" / "train").iterdir()
    events.write_bytes(events.read_bytes()[:9])
    MetricsLog(str(tmp_path), 20)
    assert scalars(tmp_path, "train") == []
    assert scalars(tmp_path, "eval") == [("loss", 0, 3.0)]


def test_log_that_begins_again_is_empty(tmp_path):
    written(tmp_path)
    MetricsLog(str(tmp_path), 0)
    assert records(tmp_path) == [] and not (tmp_path / "tensorboard").exists()


def test_half_written_ends_are_left_out(tmp_path):
    written(tmp_path)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"kind": "train", "st')
    (events,) = (tmp_path / "tensorboard" / "train").iterdir()
    events.write_bytes(events.read_bytes()[:-5])
    MetricsLog(str(tmp_path), 30)
    assert [line["step"] for line in records(tmp_path)] == [0, 10, 20, 30, 30, 30]
    assert [step for _, step, _ in scalars(tmp_path, "train")] == [10, 20]


def test_one_checkpoints_evaluation_has_a_file_of_its_own(tmp_path):
    run_log.write_evaluation(str(tmp_path), 40, {"loss": 2.5})
    assert json.loads((tmp_path / "eval-40.json").read_text()) == {"loss": 2.5}


def test_rates_and_shares_of_an_interval():
    config = tiny.config(num_train_steps=1_000, num_warmup_steps=0)
    sums = {n: np.ones(v.shape) for n, v in metrics.zero_sums(True).items()}
    sums |= {"tokens": np.array(600.0), "positions": np.array(1280.0)}
    sums |= {"grad_norm": np.array(25.0), "clipped": np.array(4.0)}
    interval = Interval(10, 5.0, sums, input_wait_seconds=0.25, finite=True)
    values = run_log.interval_metrics(config, 500, interval)
    expected = {
        "grad_norm": 2.5,
        "clipped_share": 0.4,
        "learning_rate": config.learning_rate * (1 - 499 / 1_000),
        "steps_per_second": 2.0,
        "examples_per_second": 16.0,
        "tokens_per_second": 120.0,
        "nonpad_share": 600 / 1280,
        "flops_per_second": 2.0 * flops.train_step_flops(config),
        "input_wait_share": 0.05,
        "eta_seconds": 250.0,
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value), name
