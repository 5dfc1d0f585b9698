"""run_finetuning as users say it: a model, its predictions, and what is refused.

All but the first command run in one process, for TensorFlow takes long to start.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from helpers import PYTHONPATH, ROOT

from data_prep.vocab import vocabulary
from electra_tf.export import hf_folder

TIMEOUT = 600
GOOD, BAD = "가 각 갂", "갃 간 갅"
ROWS = [(GOOD, "좋음"), (BAD, "나쁨")] * 8
# Of train and dev, rows without a text are dropped; a long one is cut.
TRAIN = [*ROWS, (" ", "좋음"), ("가 " * 20, "좋음")]
PREDICTED = [BAD, "", GOOD, "가 " * 20]


def write_tsv(path: pathlib.Path, rows: list[tuple[str, ...]], *names: str) -> None:
    lines = ["\t".join(row) + "\n" for row in [names, *rows]]
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(model, data_dir, tmp_path_factory) -> pathlib.Path:
    """Files of a task, and hf/, what a pretraining run was converted to."""
    folder = tmp_path_factory.mktemp("finetuning")
    vocab_file = data_dir / "tfrecords" / vocabulary.VOCAB_FILE
    hf_folder.write_folders(model, str(vocab_file), str(folder / "hf"))
    for name, rows in (("train", TRAIN), ("dev", ROWS[:4]), ("test", ROWS[:6])):
        write_tsv(folder / f"{name}.tsv", rows, "review", "label")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine")
    write_tsv(folder / "odd.tsv", [("가", "보통")], "review", "label")
    write_tsv(folder / "input.tsv", [(text,) for text in PREDICTED], "review")
    return folder


def options(folder: pathlib.Path, **changes: str) -> list[str]:
    given = {
        "task": "custom",
        "train_file": str(folder / "train.tsv"),
        "dev_file": str(folder / "dev.tsv"),
        "test_file": str(folder / "test.tsv"),
        "text_column": "review",
        "init_from": str(folder / "hf"),
        "output_dir": str(folder / "out"),
        "seeds": "0,1",
        "num_train_epochs": "2",
        "train_batch_size": "4",
        "predict_batch_size": "4",
        "max_seq_length": "16",
        "learning_rate": "0.003",
        "strategy": "cpu",
    }
    return [f"--{name}={value}" for name, value in {**given, **changes}.items()]


def predict_options(folder: pathlib.Path, **changes: str) -> list[str]:
    given = {
        "mode": "predict",
        "init_from": str(folder / "out" / "model"),
        "input": str(folder / "input.tsv"),
        "text_column": "review",
        "output": str(folder / "scored.tsv"),
        "strategy": "cpu",
    }
    return [f"--{name}={value}" for name, value in {**given, **changes}.items()]


def execute(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


@pytest.fixture(scope="module")
def trained(folder) -> dict:
    """results.json of the whole command."""
    process = execute("-m", "electra_tf.run_finetuning", *options(folder))
    assert process.returncode == 0, process.stderr[-3000:]
    assert "custom: accuracy" in process.stderr and "0 failed" in process.stderr
    return json.loads((folder / "out" / "results.json").read_text())


REFUSED = {
    "column": ({"text_column": "comment"}, "has no column 'comment'; its columns are"),
    "label": ({"dev_file": "odd.tsv"}, "has no label '보통'; it has 나쁨, 좋음"),
    "length": ({"max_seq_length": "64"}, "32 positions, so 4 to 32 is possible"),
    "metric": ({"metric": "spearman"}, "--metric=spearman: the scores of 2 labels"),
    "seeds": ({"seeds": "0,-1"}, "--seeds=0,-1: whole numbers are needed"),
    "settings": ({"learning_rate": "0.1"}, "config learning_rate: 0.003 there, 0.1"),
    "input": ({"output_dir": "hf", "overwrite": "true"}, "contains the input"),
    "folder": ({"output_dir": "notes"}, "is not empty: it contains 'a.txt'"),
}
REFUSED_PREDICTIONS = {
    "ending": ({"output": "a.txt"}, "whose name ends in .tsv or .jsonl"),
    "model": ({"init_from": "hf"}, "finetuning.json does not exist"),
    "column": ({"text_column": "comment"}, "has no column 'comment'"),
}
FILES = ("dev_file", "output_dir", "init_from", "output")


@pytest.fixture(scope="module")
def said(folder, trained) -> dict[str, str]:
    """What each of many commands says; "" where it is done."""

    def changed(changes: dict[str, str]) -> dict[str, str]:
        inside = {n: str(folder / v) for n, v in changes.items() if n in FILES}
        return changes | inside

    commands = {"again": options(folder), "predict": predict_options(folder)}
    for name, (changes, _) in REFUSED.items():
        commands[name] = options(folder, **changed(changes))
    for name, (changes, _) in REFUSED_PREDICTIONS.items():
        commands[f"predict {name}"] = predict_options(folder, **changed(changes))
    (folder / "commands.json").write_text(json.dumps(commands))
    process = execute(__file__, str(folder / "commands.json"))
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_a_model_is_trained_chosen_and_tested(trained, folder):
    assert [seed["seed"] for seed in trained["seeds"]] == [0, 1]
    for seed in trained["seeds"]:
        assert len(seed["epochs"]) == 2
        assert 0.0 <= seed["test"]["accuracy"] <= 1.0
    assert trained["counts"]["train_empty_text"] == 1
    assert trained["counts"]["train_truncated"] == 1
    assert (trained["train_rows"], trained["dev_rows"]) == (len(TRAIN) - 1, 4)
    assert trained["checkpoint"]["path"] == str(folder / "hf")
    assert (folder / "out" / "model" / "model.safetensors").exists()


def test_the_same_command_again_finds_all_done(said, trained, folder):
    assert said["again"] == ""
    assert json.loads((folder / "out" / "results.json").read_text()) == trained


def test_predictions_are_a_line_for_each_row(said, folder):
    assert said["predict"] == ""
    text = (folder / "scored.tsv").read_text(encoding="utf-8")
    header, *lines = [line.split("\t") for line in text.splitlines()]
    assert header == ["id", "prediction", "나쁨", "좋음"]
    assert len(lines) == len(PREDICTED)
    for line in lines:
        shares = list(map(float, line[2:]))
        assert sum(shares) == pytest.approx(1.0, abs=1e-5)
        assert line[1] == header[2 + shares.index(max(shares))]


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused(said, name):
    assert REFUSED[name][1] in said[name]


@pytest.mark.parametrize("name", REFUSED_PREDICTIONS)
def test_bad_input_to_predict_is_refused(said, name):
    assert REFUSED_PREDICTIONS[name][1] in said[f"predict {name}"]


def main(commands_file: str) -> None:
    """Runs commands one by one; prints what a UserError says of each."""
    from absl import flags
    from absl.testing import flagsaver

    from common.cli import UserError
    from electra_tf import run_finetuning

    found = {}
    for name, arguments in json.loads(pathlib.Path(commands_file).read_text()).items():
        flags.FLAGS.unparse_flags()
        with flagsaver.flagsaver():
            flags.FLAGS(["run_finetuning", *arguments])
            try:
                run_finetuning.run_finetuning()
                found[name] = ""
            except UserError as error:
                found[name] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
