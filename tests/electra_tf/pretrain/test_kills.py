"""Runs that are interrupted, again and again, end where one that was left alone does.

Each run is the command itself, in a process of its own. ELECTRA_KILLS says how often
the interrupted one is killed (default: 1), before one process is asked to stop and
another one's folder is taken over.
"""

import json
import os
import pathlib
import random
import re
import signal
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from helpers import claims, processes, run_folders, tiny
from helpers.processes import Ended, Process
from helpers.run_folders import steps

KILLS = int(os.environ.get("ELECTRA_KILLS", "1"))
# Of the 120 training lines of a run, how many one process writes before it is
# interrupted: the last one has to come to the end.
MOST_LINES = max(1, 60 // (KILLS + 2))
TRAIN_SHARDS = [list(range(100)), list(range(100, 300)), list(range(300, 477))]
EVAL_SHARDS = [[500, 501, 502], [503, 504, 505]]
SETTINGS = run_folders.SMALL | {
    "vocab_size": tiny.VOCAB_SIZE,
    "gradient_accumulation_steps": 2,
    "num_warmup_steps": 5,
    "num_train_steps": 300,
    "save_checkpoints_steps": 4,
    "keep_checkpoint_max": 3,
    "keep_checkpoint_every_n_steps": 90,
    "eval_every_n_steps": 50,
}


class Interrupted(NamedTuple):
    """A process that was interrupted, and what it left."""

    ended: Ended
    steps: list[int]  # of the checkpoints
    lines: list[dict]  # of the log


class Runs(NamedTuple):
    """A run left alone and an interrupted one."""

    alone: pathlib.Path
    interrupted: pathlib.Path
    killed: list[Interrupted]
    stopped: Interrupted
    taken_over: Interrupted
    last: Ended


def start(data_dir: pathlib.Path, model_dir: pathlib.Path):
    preset = data_dir / "empty.toml"
    preset.write_text("")
    return processes.running(
        *("-m", "electra_tf.run_pretraining", f"--config={preset}"),
        *(f"--data_dir={data_dir}", f"--model_dir={model_dir}"),
        f"--hparams={json.dumps(SETTINGS)}",
        warm=True,
    )


def finish(data_dir: pathlib.Path, model_dir: pathlib.Path) -> Ended:
    with start(data_dir, model_dir) as process:
        ended = process.wait()
    assert ended.code == 0, ended.output
    return ended


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    """Interruptions come at random lines, the same ones each time."""
    folder, rng = tmp_path_factory.mktemp("kills"), random.Random(0)
    data_dir, model_dir = folder / "data", folder / "interrupted"
    tiny.write_data(data_dir, {"train": TRAIN_SHARDS, "eval": EVAL_SHARDS})
    finish(data_dir, folder / "alone")

    def interrupt(act: Callable[[Process], object], may_be_early: bool = False):
        with start(data_dir, model_dir) as process:
            if may_be_early and rng.random() < 0.15:
                process.wait_for("parameters")
            else:
                process.wait_for("train step", rng.randint(1, MOST_LINES))
            act(process)
            return Interrupted(process.wait(), steps(model_dir), lines(model_dir))

    killed = [interrupt(Process.kill, may_be_early=True) for _ in range(KILLS)]
    stopped = interrupt(lambda process: process.send(signal.SIGTERM))
    taken_over = interrupt(lambda process: claims.take_over(str(model_dir)))
    last = finish(data_dir, model_dir)
    return Runs(folder / "alone", model_dir, killed, stopped, taken_over, last)


def read_checkpoint(model_dir: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(model_dir / f"model.ckpt-{step}"))
    return {
        name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
    }


def lines(model_dir: pathlib.Path) -> list[dict]:
    """The log without what depends on the clock."""
    of_clock = ("data_bound", "saving_stalls")
    every = run_folders.lines(model_dir, "train", "eval", "warning")
    return [line for line in every if line.get("rule") not in of_clock]


def test_interrupted_run_has_the_same_weights_and_slots_bit_by_bit(runs):
    for step in (90, 180, 270, 300):
        ours, theirs = (read_checkpoint(folder, step) for folder in runs[:2])
        assert ours.keys() == theirs.keys() and len(ours) > 50
        different = [n for n in ours if not np.array_equal(ours[n], theirs[n])]
        assert different == [], step


def test_interrupted_run_keeps_the_same_checkpoints(runs):
    for folder in runs[:2]:
        assert steps(folder) == [90, 180, 270, 292, 296, 300]
        assert not [path for path in folder.iterdir() if "tempstate" in path.name]


def test_interrupted_run_has_the_same_lines_each_once(runs):
    alone, interrupted = map(lines, runs[:2])
    assert interrupted == alone
    keys = [(line["kind"], line["step"], line.get("rule")) for line in alone]
    assert len(keys) == len(set(keys))
    evaluated = [step for kind, step, _ in keys if kind == "eval"]
    assert evaluated == [0, 50, 100, 150, 200, 250, 300]


def test_tensorboard_of_the_interrupted_run_has_each_step_once(runs):
    for kind in ("train", "eval"):
        expected = [
            line["step"] for line in lines(runs.interrupted) if line["kind"] == kind
        ]
        seen = []
        for path in (runs.interrupted / "tensorboard" / kind).iterdir():
            for record in tf.data.TFRecordDataset(str(path)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                values = [v for v in event.summary.value if v.tag == "loss"]
                seen += [event.step] * len(values)
        assert sorted(seen) == expected


def test_each_process_resumes_from_the_newest_checkpoint(runs):
    before = [*runs.killed, runs.stopped, runs.taken_over]
    after = [*(each.ended for each in before[1:]), runs.last]
    for left, resumed in zip(before, after, strict=True):
        found = re.findall(r"resuming from .*model\.ckpt-(\d+)", resumed.output)
        assert [int(step) for step in found] == left.steps[-1:]
        assert not left.steps or left.steps[-1] < SETTINGS["num_train_steps"]
    assert runs.stopped.steps


def test_sigterm_saves_and_has_an_exit_code_of_its_own(runs):
    ended, _, logged = runs.stopped
    last_step = runs.stopped.steps[-1]
    assert ended.code == 75, ended.output
    assert f"stopped at step {last_step}, which is saved" in ended.output
    assert logged[-1]["step"] == last_step


def test_a_run_ends_when_another_process_takes_its_folder(runs):
    assert runs.taken_over.ended.code == 1
    output = runs.taken_over.ended.output
    assert "process 7 of vm-2" in output
    assert f"Its step {runs.taken_over.steps[-1]} is saved" in output


def test_killed_processes_did_not_end_by_themselves(runs):
    assert {each.ended.code for each in runs.killed} == {-signal.SIGKILL}
