"""Runs that are killed, again and again, end where one that was left alone does.

Each run is the command itself, in a process of its own. ELECTRA_KILLS says how often
the killed one dies (default: 2).
"""

import concurrent.futures
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from helpers import ROOT, tiny

KILLS = int(os.environ.get("ELECTRA_KILLS", "2"))
# A run left alone writes 120 training lines; a killed one has to come to its end.
MOST_LINES = max(3, 220 // KILLS)
TIMEOUT = 300
TRAIN_SHARDS = [list(range(100)), list(range(100, 300)), list(range(300, 477))]
EVAL_SHARDS = [[500, 501, 502], [503, 504, 505]]
SETTINGS = {
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
    },
    "embedding_size": 16,
    "generator_hidden_size": 0.5,
    "vocab_size": tiny.VOCAB_SIZE,
    "max_seq_length": tiny.LENGTH,
    "train_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "eval_batch_size": 4,
    "num_warmup_steps": 5,
    "num_train_steps": 300,
    "iterations_per_loop": 5,
    "save_checkpoints_steps": 4,
    "keep_checkpoint_max": 3,
    "keep_checkpoint_every_n_steps": 90,
    "eval_every_n_steps": 50,
}
TIMINGS = {
    "steps_per_second",
    "examples_per_second",
    "tokens_per_second",
    "flops_per_second",
    "input_wait_share",
    "interval_seconds",
    "checkpoint_stall_seconds",
    "eta_seconds",
}


def start(data_dir: pathlib.Path, model_dir: pathlib.Path, **changes):
    """The command, running; what it says is in model_dir.txt."""
    preset = data_dir / "empty.toml"
    preset.write_text("")
    command = [sys.executable, "-m", "electra_tf.run_pretraining"]
    command += [f"--config={preset}", f"--data_dir={data_dir}"]
    command += [
        f"--model_dir={model_dir}",
        f"--hparams={json.dumps(SETTINGS | changes)}",
    ]
    with open(f"{model_dir}.txt", "ab") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def said(model_dir: pathlib.Path) -> str:
    return pathlib.Path(f"{model_dir}.txt").read_text(errors="replace")


def wait_for_lines(process: subprocess.Popen, model_dir: pathlib.Path, count: int):
    """Until the process has written so many training lines of its own."""
    deadline = time.monotonic() + TIMEOUT
    wanted = said(model_dir).count("train step") + count
    while process.poll() is None and said(model_dir).count("train step") < wanted:
        assert time.monotonic() < deadline, said(model_dir)
        time.sleep(0.005)


def kill_often(data_dir: pathlib.Path, model_dir: pathlib.Path, seed: int) -> list[int]:
    """Kills at random moments: mostly while training, sometimes before."""
    rng, killed_at = random.Random(seed), []
    for _ in range(KILLS):
        process = start(data_dir, model_dir)
        if rng.random() < 0.15:
            time.sleep(rng.uniform(0, 15))
        else:
            wait_for_lines(process, model_dir, rng.randint(1, MOST_LINES))
            time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed_at.append(max(steps(model_dir), default=0))
    return killed_at


def finish(data_dir: pathlib.Path, model_dir: pathlib.Path) -> None:
    process = start(data_dir, model_dir)
    assert process.wait(TIMEOUT) == 0, said(model_dir)


def steps(model_dir: pathlib.Path) -> list[int]:
    names = [path.name for path in model_dir.glob("model.ckpt-*.index")]
    return sorted(int(name.split("-")[1].split(".")[0]) for name in names)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    """The folders of a run left alone and of one killed KILLS times."""
    folder = tmp_path_factory.mktemp("kills")
    tiny.write_data(folder / "data", {"train": TRAIN_SHARDS, "eval": EVAL_SHARDS})
    alone, killed = folder / "alone", folder / "killed"

    def interrupted() -> None:
        print("checkpoints at the kills:", kill_often(folder / "data", killed, seed=0))
        finish(folder / "data", killed)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(finish, folder / "data", alone), pool.submit(interrupted)]
        for task in tasks:
            task.result()
    return alone, killed


def read_checkpoint(model_dir: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(model_dir / f"model.ckpt-{step}"))
    return {
        name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
    }


def lines(model_dir: pathlib.Path) -> list[dict]:
    """The log without what depends on the clock."""
    text = (model_dir / "metrics.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    return [
        {name: value for name, value in record.items() if name not in TIMINGS}
        for record in records
        if record["kind"] != "warning"
    ]


def test_killed_run_has_the_same_weights_and_slots_bit_by_bit(runs):
    for step in (90, 180, 270, 300):
        ours, theirs = (read_checkpoint(folder, step) for folder in runs)
        assert ours.keys() == theirs.keys() and len(ours) > 50
        different = [n for n in ours if not np.array_equal(ours[n], theirs[n])]
        assert different == [], step


def test_killed_run_keeps_the_same_checkpoints(runs):
    for folder in runs:
        assert steps(folder) == [90, 180, 270, 292, 296, 300]
        assert not [path for path in folder.iterdir() if "tempstate" in path.name]


def test_killed_run_has_the_same_lines_each_once(runs):
    alone, killed = map(lines, runs)
    assert killed == alone
    keys = [(line["kind"], line["step"]) for line in alone]
    assert len(keys) == len(set(keys))
    evaluated = [step for kind, step in keys if kind == "eval"]
    assert evaluated == [0, 50, 100, 150, 200, 250, 300]


def test_tensorboard_of_the_killed_run_has_each_step_once(runs):
    for kind in ("train", "eval"):
        expected = [line["step"] for line in lines(runs[1]) if line["kind"] == kind]
        seen = []
        for path in (runs[1] / "tensorboard" / kind).iterdir():
            for record in tf.data.TFRecordDataset(str(path)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                values = [v for v in event.summary.value if v.tag == "loss"]
                seen += [event.step] * len(values)
        assert sorted(seen) == expected


def test_newcomer_stops_the_first_and_sigterm_saves_and_has_a_code_of_its_own(
    runs, tmp_path
):
    data_dir, model_dir = runs[0].parent / "data", tmp_path / "stopped"
    changes = {"save_checkpoints_steps": 100_000, "num_train_steps": 100_000}
    changes |= {"keep_checkpoint_every_n_steps": 0, "eval_every_n_steps": 0}
    first = start(data_dir, model_dir, **changes)
    wait_for_lines(first, model_dir, 1)
    process = start(data_dir, model_dir, **changes)
    assert first.wait(TIMEOUT) == 1, said(model_dir)
    assert f"process {process.pid} of" in said(model_dir)
    wait_for_lines(process, model_dir, 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) == 75, said(model_dir)
    (step,) = steps(model_dir)
    assert step % SETTINGS["iterations_per_loop"] == 0
    assert f"stopped at step {step}, which is saved" in said(model_dir)
    assert lines(model_dir)[-1]["step"] == step
