"""The outer loop on tiny runs: what is due when, and what stops a run."""

import contextlib
import dataclasses
import io
import json
import math
import resource
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import fsspec.implementations.memory
import numpy as np
import pytest
import tensorflow as tf
from helpers import claims, tiny

from common import claim as claim_lib
from common.errors import UserError
from electra_tf.devices.strategies import HostBatches
from electra_tf.pretrain import loop
from electra_tf.pretrain.compiled_steps import Trainer
from electra_tf.pretrain.run_log import MetricsLog
from electra_tf.pretrain.stop_request import StopRequest
from electra_tf.run_folder import checkpoints

CONFIG = {
    "num_train_steps": 60,
    "learning_rate": 1e-2,
    "iterations_per_loop": 10,
    "save_checkpoints_steps": 30,
    "eval_every_n_steps": 25,
    "overrides": {"num_hidden_layers": 1},
}


@pytest.fixture(scope="module")
def compiled(cpu) -> tuple[Trainer, dict[str, np.ndarray]]:
    running = Trainer(tiny.config(**CONFIG), cpu)
    return running, tiny.values(running)


@pytest.fixture
def running(compiled) -> Trainer:
    """The shared trainer, at its start."""
    running, start = compiled
    tiny.assign(running, start)
    running.config = tiny.config(**CONFIG)
    return running


class Data(NamedTuple):
    """Stands for Records: where batches come from."""

    train_batches: Callable[[int, tf.distribute.InputContext], tf.data.Dataset]
    held_out: HostBatches | None
    first_damage: Callable[[int], str | None]


def varied() -> Data:
    return Data(
        lambda step, context: tiny.varied_batches(step)(context),
        tiny.held_out_batches,
        lambda step: f"looked from step {step} on",
    )


def learnable() -> Data:
    """The same batch for ever: every position has its own token."""
    inputs = tiny.inputs([tiny.LENGTH] * 8)
    ids = tf.range(5, 5 + tiny.LENGTH) * tf.ones_like(inputs.input_ids)
    batch = inputs._replace(input_ids=ids)._asdict()
    same = tf.data.Dataset.from_tensors(batch).repeat()
    return varied()._replace(train_batches=lambda step, context: same)


def train(running: Trainer, folder, data: Data, step: int, stop=None) -> bool:
    return loop.train(running, str(folder), data, step, stop or StopRequest())


def lines(folder, kind: str) -> list[dict]:
    text = (folder / "metrics.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    return [record for record in records if record["kind"] == kind]


def test_loss_of_a_repeated_batch_halves(running, tmp_path):
    assert train(running, tmp_path, learnable(), 0)
    trained = lines(tmp_path, "train")
    assert [line["step"] for line in trained] == [10, 20, 25, 30, 40, 50, 60]
    assert [line["step"] for line in lines(tmp_path, "eval")] == [0, 25, 50, 60]
    start = math.log(40) + 50 * math.log(2)
    assert trained[-1]["loss"] < start / 2
    assert trained[-1]["loss"] < trained[0]["loss"]
    assert checkpoints.steps(str(tmp_path)) == [30, 60]
    assert all(
        math.isfinite(v) for line in trained for v in line.values() if v != "train"
    )
    assert all(line["grad_norm"] > 0 for line in trained)


def test_boundaries_do_not_depend_on_where_a_run_begins():
    config = tiny.config(**CONFIG, keep_checkpoint_every_n_steps=7)

    def boundaries(step: int) -> list[int]:
        found = []
        while step < config.num_train_steps:
            step = loop.next_boundary(config, step)
            found.append(step)
        return found

    whole = boundaries(0)
    assert whole[:7] == [7, 10, 14, 20, 21, 25, 28] and whole[-1] == 60
    for step in range(60):
        assert boundaries(step) == [end for end in whole if end > step]


def change(running: Trainer, **changes) -> None:
    running.config = dataclasses.replace(running.config, **changes)


def test_milestones_stay_and_are_not_counted(running, tmp_path):
    change(
        running,
        save_checkpoints_steps=10,
        keep_checkpoint_max=2,
        keep_checkpoint_every_n_steps=15,
    )
    train(running, tmp_path, varied(), 0)
    assert checkpoints.steps(str(tmp_path)) == [15, 30, 40, 45, 50, 60]


def test_minutes_alone_say_when_to_save(running, tmp_path):
    never = {"save_checkpoints_steps": 0, "save_checkpoints_minutes": 1e6}
    change(running, **never)
    train(running, tmp_path, varied(), 0)
    assert checkpoints.steps(str(tmp_path)) == [60]
    change(running, save_checkpoints_minutes=1e-9, keep_checkpoint_max=0)
    train(running, tmp_path, varied(), 30)
    assert checkpoints.steps(str(tmp_path)) == [40, 50, 60]


def test_without_held_out_records_nothing_is_evaluated(running, tmp_path):
    data = varied()._replace(held_out=None)
    train(running, tmp_path, data, 40)
    assert lines(tmp_path, "eval") == [] and len(lines(tmp_path, "train")) == 2


def test_finished_run_trains_no_further(running, tmp_path):
    before = tiny.values(running)
    assert train(running, tmp_path, varied(), 60)
    tiny.assert_bit_equal(tiny.values(running), before)
    assert list(tmp_path.iterdir()) == []


def test_request_to_stop_saves_at_the_next_boundary(running, tmp_path):
    stop = StopRequest()

    def batches(step, context):
        def ask(batch):
            tf.py_function(lambda: setattr(stop, "received", True), [], [])
            return batch

        return tiny.varied_batches(step)(context).take(1).map(ask).repeat()

    data = varied()._replace(train_batches=batches)
    assert not train(running, tmp_path, data, 0, stop)
    assert checkpoints.steps(str(tmp_path)) == [10]


def taken_at_step_35(running: Trainer, folder, act=lambda: None) -> str:
    """Trains until a process of another host takes the folder; how that ended.

    Args:
      act: what else the other process does then.
    """

    def batches(step, context):
        def take(batch):
            def of_python() -> None:
                claims.take_over(str(folder))
                act()

            tf.py_function(of_python, [], [])
            return batch

        records = tiny.varied_batches(step)(context)
        calm, taken = records.take(35), records.skip(35).take(1).map(take)
        return calm.concatenate(taken).concatenate(records.skip(36))

    data = varied()._replace(train_batches=batches)
    claim = claim_lib.take(str(folder), "run_pretraining")
    with pytest.raises(
        UserError, match="process 7 of vm-2.*this process stops"
    ) as raised:
        loop.train(running, str(folder), data, 0, StopRequest(), claim)
    return str(raised.value)


def test_run_whose_folder_another_takes_saves_and_stops(running, tmp_path):
    change(running, keep_checkpoint_max=1)
    half_written = tmp_path / "model.ckpt-7.data-00000-of-00001"
    text = taken_at_step_35(running, tmp_path, half_written.touch)
    trained = [line["step"] for line in lines(tmp_path, "train")]
    # Batches are read ahead, so it is not known at which line it notices.
    assert checkpoints.steps(str(tmp_path)) == sorted({30, trained[-1]} - {60})
    assert trained[-1] < 60 and f"Its step {trained[-1]} is saved" in text
    assert half_written.exists()  # the other one's


def test_a_log_that_another_has_cut_is_left_to_it(running, tmp_path):
    text = taken_at_step_35(running, tmp_path, lambda: MetricsLog(str(tmp_path), 10))
    assert [line["step"] for line in lines(tmp_path, "train")] == [10]
    assert "is saved" in text and checkpoints.steps(str(tmp_path))


@pytest.mark.parametrize("what", ["saves", "begins anew", "changes the config"])
def test_nothing_is_saved_into_another_run(running, tmp_path, what):
    def act() -> None:
        if what == "saves":
            (tmp_path / "model.ckpt-50.index").touch()
        elif what == "begins anew":
            for path in tmp_path.glob("model.ckpt-*"):
                path.unlink()
        else:
            described = {"config": {"seed": 1}, "data": {}}
            (tmp_path / "config.json").write_text(json.dumps(described))

    change(running, save_checkpoints_steps=5)
    text = taken_at_step_35(running, tmp_path, act)
    assert "is lost" in text and "is saved" not in text
    names = {path.name for path in tmp_path.glob("model.ckpt-*.index")}
    last = max(line["step"] for line in lines(tmp_path, "train"))
    assert f"model.ckpt-{last}.index" not in names


def test_broken_weight_stops_the_run_and_leaves_the_batch(running, tmp_path):
    train(running, tmp_path, varied(), 40)
    assert checkpoints.steps(str(tmp_path)) == [60]
    kernel = running.model.named_variables[
        "electra/encoder/layer_0/output/dense/kernel"
    ]
    broken = kernel.numpy()
    broken[1, 2] = math.nan
    kernel.assign(broken)
    change(running, num_train_steps=90)
    with pytest.raises(
        UserError, match="disc_loss and grad_norm of step 60 are not"
    ) as raised:
        train(running, tmp_path, varied(), 60)
    assert f"--init_from={tmp_path} --init_step=60" in str(raised.value)
    assert checkpoints.steps(str(tmp_path)) == [60]
    saved = np.load(tmp_path / "non_finite-60.npz")
    expected = next(iter(tiny.varied_batches(60)(None)))
    assert int(saved["step"]) == 60 and int(saved["seed"]) == 0
    for name, value in expected.items():
        np.testing.assert_array_equal(saved[name], value)


def test_a_run_that_breaks_before_a_checkpoint_names_none(running, tmp_path):
    for variable in running.model.named_variables.values():
        variable.assign(tf.fill(variable.shape, math.nan))
    data = varied()._replace(held_out=None)
    with pytest.raises(UserError, match="of step 0 are not finite") as raised:
        train(running, tmp_path, data, 0)
    assert "No checkpoint was saved" in str(raised.value)
    assert "--init_from" not in str(raised.value)
    assert (tmp_path / "non_finite-0.npz").exists()


class Ram(fsspec.implementations.memory.MemoryFileSystem):
    """Files under a name that TensorFlow, too, keeps in memory."""

    protocol = "ram"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]


def test_the_batch_of_a_broken_step_is_written_to_remote_folders(running):
    fsspec.register_implementation("ram", Ram, clobber=True)
    for variable in running.model.named_variables.values():
        variable.assign(tf.fill(variable.shape, math.nan))
    data = varied()._replace(held_out=None)
    with pytest.raises(UserError, match="batch is in ram://run/non_finite-0.npz"):
        train(running, "ram://run", data, 0)
    saved = np.load(io.BytesIO(Ram().cat_file("ram://run/non_finite-0.npz")))
    assert int(saved["step"]) == 0 and saved["input_ids"].shape == (8, tiny.LENGTH)


def test_broken_weight_is_never_saved(running, tmp_path):
    slot = running.optimizer.named_slots["electra/embeddings/LayerNorm/beta/adam_m"]
    slot.assign(tf.fill(slot.shape, math.inf))
    # The losses of the one step are finite: only what it leaves is not.
    change(running, num_train_steps=1)
    with pytest.raises(UserError, match="weights of step 1 .*not finite"):
        train(running, tmp_path, varied(), 0)
    assert checkpoints.steps(str(tmp_path)) == []


@contextlib.contextmanager
def full_disk(bytes_left: int):
    """Files can grow to so many bytes and no further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_during_a_save_is_said_and_leaves_the_ones_before(running, tmp_path):
    change(running, num_train_steps=30)
    train(running, tmp_path, varied(), 20)
    change(running, num_train_steps=60)
    with full_disk(50_000), pytest.raises(UserError, match="step 60 .*not be written"):
        train(running, tmp_path, varied(), 30)
    names = [path.name for path in tmp_path.glob("model.ckpt-*")]
    assert names and all(name.startswith("model.ckpt-30.") for name in names)
    variables = running.checkpoint_variables
    assert checkpoints.restore_or_initialise(str(tmp_path), variables) == 30
    train(running, tmp_path, varied(), 30)
    assert checkpoints.steps(str(tmp_path)) == [30, 60]


def test_damaged_record_stops_the_run_and_is_looked_for(running, tmp_path):
    def batches(step, context):
        good = tiny.varied_batches(step)(context).take(12)
        path = str(tmp_path / "cut")
        with tf.io.TFRecordWriter(path) as writer:
            writer.write(b"something")
        (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-3])
        cut = tf.data.TFRecordDataset(path).map(lambda _: next(iter(good)))
        return good.concatenate(cut)

    data = varied()._replace(train_batches=batches)
    with pytest.raises(UserError, match="after step 10 is .*looked from step 10 on"):
        train(running, tmp_path, data, 0)


def test_other_errors_are_not_blamed_on_records(running, tmp_path):
    def batches(step, context):
        def refuse(batch):
            tf.debugging.Assert(tf.size(batch["input_ids"]) < 3, ["too many"])
            return batch

        return tiny.varied_batches(step)(context).map(refuse)

    data = varied()._replace(train_batches=batches, first_damage=lambda step: None)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many"):
        train(running, tmp_path, data, 0)


def test_a_warning_is_not_repeated_while_it_lasts(running, tmp_path, monkeypatch):
    warnings = iter([{"rule": "a"}, {"rule": "b"}, {}, {}, {"rule": "c"}, {}, {}])
    monkeypatch.setattr(loop.health_rules, "warnings", lambda *_: next(warnings))
    train(running, tmp_path, varied(), 0)
    found = [(line["step"], line["text"]) for line in lines(tmp_path, "warning")]
    assert found == [(10, "a"), (40, "c")]


def test_warnings_of_a_line_come_in_the_order_of_the_rules(
    running, tmp_path, monkeypatch
):
    found = dict(zip("hgfedcba", range(8), strict=True))
    monkeypatch.setattr(loop.health_rules, "warnings", lambda *_: found)
    train(running, tmp_path, varied(), 50)
    assert [line["rule"] for line in lines(tmp_path, "warning")] == [*found]


def test_a_resumed_run_warns_as_one_that_never_stopped(running, tmp_path, monkeypatch):
    seen = []

    def warnings(values, history, *_):
        seen.append((values["step"], [line["step"] for line in history]))
        return {"rule": "lasts"} if values["step"] < 50 else {}

    monkeypatch.setattr(loop.health_rules, "warnings", warnings)
    change(running, num_train_steps=30)
    train(running, tmp_path, varied(), 0)
    change(running, num_train_steps=60)
    seen.clear()
    train(running, tmp_path, varied(), 30)
    assert [line["step"] for line in lines(tmp_path, "warning")] == [10]
    assert seen[-3:] == [
        (40, [10, 20, 25, 30]),
        (50, [10, 20, 25, 30, 40]),
        (60, [10, 20, 25, 30, 40, 50]),
    ]
