"""The rows that a step reads are those that training read, file by file."""

import pathlib

import numpy as np
import pytest
from helpers import processes, tiny

from common import manifest
from electra_tf.pretrain.input_pipeline import Records
from electra_tf.run_folder import description

STEPS = 20
SHARDS = {"train": [list(range(10)), list(range(10, 30)), list(range(30, 47))]}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> pathlib.Path:
    """A data folder with a run's folder in it."""
    work = tmp_path_factory.mktemp("work")
    tiny.write_data(work, SHARDS | {"eval": [[100]]})
    config = tiny.config(num_train_steps=STEPS)
    data = manifest.read(str(work / "tfrecords"), "build_tfrecords")
    description.open_run(str(work / "model"), str(work), config, data)
    return work


def batch_at(work: pathlib.Path, *options: str) -> processes.Ended:
    command = ["-m", "electra_tf.batch_at", f"--model_dir={work / 'model'}", *options]
    return processes.run(*command, warm=True)


@pytest.fixture(scope="module")
def printed(work) -> dict[int, list[list[str]]]:
    """Step -> the columns of each line; the steps cross the end of an epoch."""
    answers = {}
    for step in (0, 4, 5, 6, STEPS - 1):
        out = batch_at(work, f"--step={step}").out
        answers[step] = [line.split("\t") for line in out.splitlines()]
    return answers


@pytest.mark.parametrize("begin", [0, 3])
def test_rows_are_those_that_training_reads_from_any_step_on(work, printed, begin):
    """As a run that never stopped reads them, and one resumed at step `begin`."""
    records = Records(str(work), tiny.config(num_train_steps=STEPS))
    tokens = tiny.tokens()
    batches = records.train_batches(begin).take(STEPS - begin).as_numpy_iterator()
    for step, batch in enumerate(batches, begin):
        if step in printed:
            texts = [
                " ".join(tokens[i] for i in row[row > 0]) for row in batch["input_ids"]
            ]
            assert [text for *_, text in printed[step]] == texts


def test_each_row_is_where_it_says(printed):
    for rows in printed.values():
        for name, index, text in rows:
            shard = int(name.removeprefix("train/pretrain_data.tfrecord-")[0])
            number = SHARDS["train"][shard][int(index)]
            ids = tiny.example_ids(number)
            assert text == " ".join(np.array(tiny.tokens())[ids])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--step is needed"),
        (["--step=20"], "it has num_train_steps=20, the steps 0 to 19"),
        (["--step=-1"], "not a non-negative integer"),
        (["--step=1", "--data_dir=/nowhere"], "/nowhere"),
    ],
)
def test_what_is_not_a_step_of_the_run_is_refused_in_words(work, options, words):
    ended = batch_at(work, *options)
    assert ended.code == 1 and words in ended.output
    assert "Traceback" not in ended.output


def test_other_records_than_the_runs_are_refused(work, tmp_path):
    tiny.write_data(tmp_path, SHARDS | {"eval": [[100]]})
    path = tmp_path / "tfrecords" / "manifest.json"
    path.write_text(path.read_text().replace("00000000", "11111111"))
    ended = batch_at(work, "--step=1", f"--data_dir={tmp_path}")
    assert ended.code == 1 and "recipe_hash" in ended.output


def test_the_data_dir_is_asked_for_where_the_run_lies_elsewhere(work, tmp_path):
    (tmp_path / "model").symlink_to(work / "model")
    ended = batch_at(tmp_path, "--step=1")
    assert ended.code == 1 and "pass the run's --data_dir" in ended.output
    ended = batch_at(tmp_path, "--step=1", f"--data_dir={work}")
    assert ended.code == 0 and len(ended.out.splitlines()) == 8
