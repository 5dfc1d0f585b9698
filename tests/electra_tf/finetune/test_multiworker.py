"""Two workers on this machine: the first one's folder says what is left for both."""

import json
import pathlib
import shutil
from typing import NamedTuple

import pytest
from helpers import processes
from helpers.processes import Ended

from data_prep.vocab import vocabulary
from electra_tf.export import hf_folder

ROWS = [("가 각 갂", "좋음"), ("갃 간 갅", "나쁨")] * 8


class Workers(NamedTuple):
    """Runs a command on two workers, each with a folder of its own."""

    folder: pathlib.Path

    def output_dir(self, index: int) -> pathlib.Path:
        return self.folder / f"worker-{index}"

    def run(self, *seeds: int, of_worker: list[list[str]] = ()) -> list[Ended]:
        paths = {"train_file": "rows.tsv", "dev_file": "rows.tsv", "init_from": "hf"}
        command = ["-m", "electra_tf.run_finetuning", "--task=custom"]
        command += [f"--{name}={self.folder}/{path}" for name, path in paths.items()]
        command += ["--train_batch_size=4", "--predict_batch_size=4"]
        command += ["--max_seq_length=8", "--num_train_epochs=1"]
        command += [f"--seeds={','.join(map(str, seeds))}"]
        commands = [
            [*command, f"--output_dir={self.output_dir(index)}"] for index in range(2)
        ]
        for index, changes in enumerate(of_worker):
            commands[index] += changes
        with processes.cluster(commands) as started:
            return [worker.wait() for worker in started]

    def seeds(self, index: int) -> list[int]:
        text = (self.output_dir(index) / "results.json").read_text()
        return [seed["seed"] for seed in json.loads(text)["seeds"]]


@pytest.fixture(scope="module")
def task(model, data_dir, tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("task")
    vocab_file = data_dir / "tfrecords" / vocabulary.VOCAB_FILE
    hf_folder.write_folders(model, str(vocab_file), str(folder / "hf"))
    lines = ["\t".join(row) + "\n" for row in [("text", "label"), *ROWS]]
    (folder / "rows.tsv").write_text("".join(lines), "utf-8")
    return folder


@pytest.fixture
def workers(task, tmp_path) -> Workers:
    return Workers(pathlib.Path(shutil.copytree(task, tmp_path / "task")))


def test_seeds_that_are_left_are_those_of_the_first_worker(workers):
    """The second one does not see its folder, as where each has a disk of its own."""
    first = workers.run(0)
    assert [ended.code for ended in first] == [0, 0], first[1].output
    both = workers.run(0, 1)
    assert [ended.code for ended in both] == [0, 0], both[1].output
    assert workers.seeds(0) == [0, 1]
    for ended in both:
        assert "seed 0 is already" in ended.output
        assert "seed 1, epoch 1" in ended.output
    assert not workers.output_dir(1).exists()


def test_what_the_first_worker_refuses_stops_both(workers):
    workers.output_dir(0).mkdir()
    (workers.output_dir(0) / "mine.txt").write_text("mine")
    first, second = workers.run(0)
    assert (first.code, second.code) == (1, 1)
    assert "mine.txt" in first.output
    assert "the first worker stopped" in second.output
    assert "Traceback" not in first.output + second.output


def test_workers_with_different_settings_are_refused(workers):
    ended = workers.run(0, of_worker=[[], ["--learning_rate=0.5"]])
    assert [each.code for each in ended] == [1, 1]
    for each in ended:
        assert "the workers do not have the same rows, weights, settings" in each.output
    assert not workers.output_dir(0).exists()
