"""Two workers on this machine: one dies, both are started again, the run goes on."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
from helpers import ROOT, tiny

TIMEOUT = 300
SETTINGS = {
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
    },
    "embedding_size": 16,
    "generator_hidden_size": 0.5,
    "max_seq_length": tiny.LENGTH,
    "train_batch_size": 8,
    "eval_batch_size": 4,
    "num_train_steps": 1_000_000,
    "iterations_per_loop": 5,
    "save_checkpoints_steps": 10,
    "keep_checkpoint_max": 2,
    "eval_every_n_steps": 0,
}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder: pathlib.Path) -> list[subprocess.Popen]:
    """Both workers; what they say is in folder/INDEX.txt."""
    workers = [f"localhost:{port}" for port in free_ports(2)]
    (folder / "empty.toml").write_text("")
    command = [sys.executable, "-m", "electra_tf.run_pretraining"]
    command += ["--strategy=auto", f"--hparams={json.dumps(SETTINGS)}"]
    command += [f"--config={folder}/empty.toml", f"--data_dir={folder}/data"]
    command += [f"--model_dir={folder}/model"]
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task}),
        }
        with open(folder / f"{index}.txt", "ab") as output:
            processes.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdout=output, stderr=output
                )
            )
    return processes


def said(folder: pathlib.Path, index: int) -> str:
    return (folder / f"{index}.txt").read_text(errors="replace")


def wait_for_lines(folder: pathlib.Path, processes, count: int) -> None:
    """Until the first worker has written so many training lines more."""
    deadline = time.monotonic() + TIMEOUT
    wanted = said(folder, 0).count("train step") + count
    while said(folder, 0).count("train step") < wanted:
        assert time.monotonic() < deadline, said(folder, 0)[-3000:]
        assert [p.poll() for p in processes] == [None, None], said(folder, 0)[-3000:]
        time.sleep(0.01)


def steps(folder: pathlib.Path) -> list[int]:
    names = (path.name for path in (folder / "model").glob("model.ckpt-*.index"))
    return sorted(int(name.split("-")[1].split(".")[0]) for name in names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """What is left after a death, a restart and a request to stop."""
    folder = tmp_path_factory.mktemp("workers")
    shards = {"train": [list(range(100)), list(range(100, 480))], "eval": [[500, 501]]}
    tiny.write_data(folder / "data", shards)
    processes = start(folder)
    try:
        wait_for_lines(folder, processes, 6)
        processes[1].send_signal(signal.SIGKILL)
        codes = [process.wait(TIMEOUT) for process in processes]
        (folder / "first.json").write_text(json.dumps([codes, steps(folder)]))
        processes = start(folder)
        wait_for_lines(folder, processes, 3)
        processes[1].send_signal(signal.SIGTERM)
        codes = [process.wait(TIMEOUT) for process in processes]
        (folder / "second.json").write_text(json.dumps([codes, steps(folder)]))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return folder


def test_the_survivor_says_what_happened(folder):
    codes, left = json.loads((folder / "first.json").read_text())
    assert codes == [75, -signal.SIGKILL]
    assert "another worker, or the TPU, went away" in said(folder, 0)
    assert left


def test_both_go_on_from_the_checkpoint(folder):
    _, left = json.loads((folder / "first.json").read_text())
    for index in range(2):
        assert f"continuing from {folder}/model/model.ckpt-{left[-1]}" in said(
            folder, index
        )
    text = (folder / "model" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    trained = [line["step"] for line in lines if line["kind"] == "train"]
    assert trained == list(range(5, trained[-1] + 1, 5)) and trained[-1] > left[-1]


def test_one_workers_request_stops_both_at_the_same_step(folder):
    codes, left = json.loads((folder / "second.json").read_text())
    assert codes == [75, 75]
    for index in range(2):
        assert f"stopped at step {left[-1]}, which is saved" in said(folder, index)
