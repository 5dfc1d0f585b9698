"""Two workers on this machine: one dies, both are started again, the run goes on."""

import contextlib
import json
import pathlib
import signal
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from helpers import processes, run_folders, tiny
from helpers.processes import Ended, Process

SETTINGS = run_folders.SMALL | {
    "num_train_steps": 1_000_000,
    "save_checkpoints_steps": 10,
    "keep_checkpoint_max": 2,
    "eval_every_n_steps": 0,
}


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[list[Process]]:
    """Both workers."""
    (folder / "empty.toml").write_text("")
    command = ["-m", "electra_tf.run_pretraining"]
    command += ["--strategy=auto", f"--hparams={json.dumps(SETTINGS)}"]
    command += [f"--config={folder}/empty.toml", f"--data_dir={folder}/data"]
    command += [f"--model_dir={folder}/model"]
    with processes.cluster([command, command]) as started:
        yield started


class Phase(NamedTuple):
    """How both workers ended, and which checkpoints they left."""

    ended: list[Ended]
    steps: list[int]

    @property
    def codes(self) -> list[int]:
        return [each.code for each in self.ended]


class Phases(NamedTuple):
    """A death during the start, one in training, then a request to stop."""

    folder: pathlib.Path
    early_death: Phase
    death: Phase
    stop: Phase


@pytest.fixture(scope="module")
def phases(tmp_path_factory) -> Phases:
    folder = tmp_path_factory.mktemp("workers")
    shards = {"train": [list(range(100)), list(range(100, 480))], "eval": [[500, 501]]}
    tiny.write_data(folder / "data", shards)

    def phase(worker: int, lines: int, text: str, number: signal.Signals) -> Phase:
        with running(folder) as workers:
            workers[worker].wait_for(text, lines)
            workers[1].send(number)
            return Phase(
                [worker.wait() for worker in workers],
                run_folders.steps(folder / "model"),
            )

    return Phases(
        folder,
        phase(1, 1, "replicas", signal.SIGKILL),
        phase(0, 6, "train step", signal.SIGKILL),
        phase(0, 3, "train step", signal.SIGTERM),
    )


def test_a_worker_that_is_lost_during_the_start_is_no_error(phases):
    assert phases.early_death.codes == [75, -signal.SIGKILL]
    assert "another worker, or the TPU, went away" in phases.early_death.ended[0].output
    assert phases.early_death.steps == []


def test_the_survivor_says_what_happened(phases):
    assert phases.death.codes == [75, -signal.SIGKILL]
    assert "another worker, or the TPU, went away" in phases.death.ended[0].output
    assert phases.death.steps


def test_both_resume_from_the_checkpoint(phases):
    newest = f"{phases.folder}/model/model.ckpt-{phases.death.steps[-1]}"
    for worker in phases.stop.ended:
        assert f"resuming from {newest}" in worker.output
    text = (phases.folder / "model" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    trained = [line["step"] for line in lines if line["kind"] == "train"]
    assert trained == list(range(5, trained[-1] + 1, 5))
    assert trained[-1] > phases.death.steps[-1]


def test_one_workers_request_stops_both_at_the_same_step(phases):
    assert phases.stop.codes == [75, 75]
    for worker in phases.stop.ended:
        assert f"stopped at step {phases.stop.steps[-1]}, which is saved" in (
            worker.output
        )
