"""run_finetuning: a model, its predictions, and what is refused.

The first command is a process; the others are calls, because TensorFlow starts slowly.
"""

import dataclasses
import json
import pathlib

import pytest
from helpers import processes

from common import files, paths
from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf import run_finetuning
from electra_tf.devices.flags import Devices
from electra_tf.export import hf_folder
from electra_tf.finetune.settings import Settings

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


def training(folder: pathlib.Path, **changes) -> dict:
    """Flags of a training command."""
    return {
        "task": "custom",
        "train_file": str(folder / "train.tsv"),
        "dev_file": str(folder / "dev.tsv"),
        "test_file": str(folder / "test.tsv"),
        "text_column": "review",
        "init_from": (str(folder / "hf"),),
        "output_dir": str(folder / "out"),
        "seeds": ("0", "1"),
        "num_train_epochs": 2,
        "train_batch_size": 4,
        "predict_batch_size": 4,
        "max_seq_length": 16,
        "learning_rate": 0.003,
        "strategy": "cpu",
    } | changes


def prediction(folder: pathlib.Path, **changes) -> dict:
    """Flags of a command that predicts."""
    return {
        "mode": "predict",
        "init_from": (str(folder / "out" / "model"),),
        "input": str(folder / "input.tsv"),
        "text_column": "review",
        "output": str(folder / "scored.tsv"),
        "strategy": "cpu",
    } | changes


def filled(flags: dict) -> list:
    """The command's dataclasses."""
    groups = [
        *(run_finetuning.Run, run_finetuning.CustomTask, run_finetuning.Prediction),
        *(Settings, Devices),
    ]
    names = [{field.name for field in dataclasses.fields(group)} for group in groups]
    assert flags.keys() <= set().union(*names)
    given = [{n: flags[n] for n in names_ & flags.keys()} for names_ in names]
    return [group(**values) for group, values in zip(groups, given, strict=True)]


def call(flags: dict) -> None:
    run_finetuning.run_finetuning(*filled(flags))


@pytest.fixture(scope="module")
def trained(folder) -> dict:
    """results.json of the whole command."""
    flags = {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name, value in training(folder).items()
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    log = processes.check("-m", "electra_tf.run_finetuning", *arguments, warm=True).err
    assert "custom: accuracy" in log and "0 failed" in log
    return json.loads((folder / "out" / "results.json").read_text())


REFUSED = {
    "column": ({"text_column": "comment"}, "has no column 'comment'; its columns are"),
    "label": ({"dev_file": "odd.tsv"}, "has no label '보통'; it has 나쁨, 좋음"),
    "length": ({"max_seq_length": 64}, "32 positions, so it must be from 4 to 32"),
    "metric": (
        {"metric": "spearman"},
        "--metric=spearman: the scores of classification",
    ),
    "seeds": ({"seeds": ("0", "-1")}, "--seeds=0,-1 must be whole numbers"),
    "settings": ({"learning_rate": 0.1}, "config learning_rate: 0.003 there, 0.1"),
    "input": (
        {"output_dir": "hf", "overwrite": True},
        "did not write: 'discriminator/config.json', .* are never removed",
    ),
    "folder": ({"output_dir": "notes"}, "run_finetuning did not write: 'a.txt'"),
    "files of predict": (
        {"input": "input.tsv", "output": "a.tsv"},
        "--input, --output are not used with --mode=train --task=custom .*: leave them",
    ),
    "folder of a known task": ({"data_dir": "nsmc"}, "--data_dir is not used with .*"),
    "columns of a known task": (
        {"task": "nsmc", "data_dir": "nsmc", "metric": "f1"},
        "--train_file, --dev_file, --test_file, --text_column, --metric are not used "
        "with --mode=train --task=nsmc",
    ),
    "separator": (
        {"label_separator": "|"},
        "--label_separator is not used with --mode=train --task=custom "
        "--kind=classification",
    ),
    "columns of files without any": (
        {"kind": "tagging", "label_column": "tag"},
        "--text_column, --label_column are not used with .* --kind=tagging",
    ),
}
REFUSED_PREDICTIONS = {
    "ending": ({"output": "a.txt"}, "the name must end in .tsv or .jsonl"),
    "model": ({"init_from": "hf"}, "finetuning.json does not exist"),
    "column": ({"text_column": "comment"}, "has no column 'comment'"),
    "file": ({"input": "nowhere.tsv"}, "nowhere.tsv does not exist"),
    "a task": ({"task": "nsmc"}, "--task is not used with --mode=predict"),
    "settings": (
        {"learning_rate": 0.1, "seeds": ("1",), "init_step": 7, "kind": "tagging"},
        "--init_step, --seeds, --kind, --learning_rate are not used with --mode=pr",
    ),
    "a pair": ({"text_pair_column": "review"}, "reads single texts"),
}
FILES = ("dev_file", "output_dir", "init_from", "output", "input")


def in_folder(folder: pathlib.Path, changes: dict) -> dict:
    """With the folder before names of files."""
    paths = {name: str(folder / changes[name]) for name in FILES if name in changes}
    if "init_from" in paths:
        paths["init_from"] = (paths["init_from"],)
    return changes | paths


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


def test_the_same_command_again_changes_nothing(trained, folder):
    call(training(folder))
    assert json.loads((folder / "out" / "results.json").read_text()) == trained


def test_predictions_are_a_line_for_each_row(trained, folder):
    call(prediction(folder))
    text = (folder / "scored.tsv").read_text(encoding="utf-8")
    header, *lines = [line.split("\t") for line in text.splitlines()]
    assert header == ["id", "prediction", "나쁨", "좋음"]
    assert len(lines) == len(PREDICTED)
    for line in lines:
        shares = list(map(float, line[2:]))
        assert sum(shares) == pytest.approx(1.0, abs=1e-5)
        assert line[1] == header[2 + shares.index(max(shares))]


def copy(source: pathlib.Path, target: str) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            with files.atomic_writer(f"{target}/{path.relative_to(source)}") as handle:
                handle.write(path.read_bytes())


def test_all_of_it_may_be_on_a_bucket(folder, bucket_folder):
    copy(folder / "hf", f"{bucket_folder}/hf")
    for name in ("train", "dev", "test", "input"):
        data = (folder / f"{name}.tsv").read_text(encoding="utf-8")
        files.write_text(f"{bucket_folder}/{name}.tsv", data)
    there = {
        name: f"{bucket_folder}/{name.removesuffix('_file')}.tsv"
        for name in ("train_file", "dev_file", "test_file")
    }
    there |= {"init_from": (f"{bucket_folder}/hf",), "seeds": ("0",)}
    there |= {"output_dir": f"{bucket_folder}/out", "num_train_epochs": 1}
    call(training(folder, **there))
    call(training(folder, **there, learning_rate=0.001, overwrite=True))
    found = files.read_json(f"{bucket_folder}/out/results.json")
    assert found["config"]["learning_rate"] == 0.001 and len(found["seeds"]) == 1
    assert files.listdir(f"{bucket_folder}/out") == ["model", "results.json"]
    output = f"{bucket_folder}/scored.jsonl"
    there = {"init_from": (f"{bucket_folder}/out/model",), "output": output}
    call(prediction(folder, input=f"{bucket_folder}/input.tsv", **there))
    assert len(files.read_text(output).splitlines()) == len(PREDICTED)


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(trained, folder, changes, message):
    with pytest.raises(UserError, match=message):
        call(training(folder, **in_folder(folder, changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "input.tsv"}, "--output=.*input.tsv is the input --input"),
        ({"output": "train.tsv"}, "--output=.*train.tsv exists: .* --overwrite"),
        ({"output": "train.tsv", "overwrite": True}, ""),
    ],
)
def test_predictions_replace_no_file_unasked(folder, changes, message):
    settings = filled(prediction(folder, **in_folder(folder, changes)))
    if not message:
        paths.check(settings)
        return
    with pytest.raises(UserError, match=message):
        paths.check(settings)


@pytest.mark.parametrize(
    ("changes", "message"), REFUSED_PREDICTIONS.values(), ids=REFUSED_PREDICTIONS
)
def test_bad_input_to_predict_is_refused(trained, folder, changes, message):
    with pytest.raises(UserError, match=message):
        call(prediction(folder, **in_folder(folder, changes)))
