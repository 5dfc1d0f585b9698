"""Finished stages are checked to the last record; everything wrong is listed."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from common import manifest
from data_prep.records import example, tfrecord
from data_prep.records.packing import Examples
from data_prep.records.ragged import Ragged
from data_prep.stages import shards

LENGTH = 16
NAME = "train/pretrain_data.tfrecord-0-of-1"


def encoded(rows: list[list[int]], length: int = LENGTH) -> list[bytes]:
    ids = Ragged.from_rows(rows)
    segments = Ragged(np.zeros(len(ids.values), np.uint8), ids.offsets)
    examples = Examples(ids, segments, 0, 0)
    return list(example.encode(examples, length))


GOOD = encoded([[2, 10 + number, 3] for number in range(5)])


def write_records(folder: pathlib.Path, rows: list[bytes], compression="") -> None:
    (folder / "train").mkdir(parents=True)
    with tfrecord.open_writer(str(folder / NAME), compression) as writer:
        writer.write(rows)
    values = {
        "max_seq_length": LENGTH,
        "vocab_size": 20,
        "compression": compression,
        "files": [writer.entry(NAME, examples=5)],
    }
    manifest.write(str(folder), "build_tfrecords", values)


def write_clean(folder: pathlib.Path) -> None:
    folder.mkdir()
    text = shards.to_text([["가나", "다라"], ["마바"]])
    (folder / "corpus-00000-00000.txt").write_text(text, encoding="utf-8")
    entry = manifest.file_entry(
        str(folder), "corpus-00000-00000.txt", lines=3, documents=2
    )
    manifest.write(str(folder), "clean_corpus", {"files": [entry]})


@pytest.fixture
def verified(run_stage, tmp_path):
    """Runs verify on tmp_path; the exit code and the messages of errors."""

    def run(name: str = "") -> tuple[int, list[str]]:
        code, log = run_stage("verify", dir=tmp_path / name)
        assert "Traceback" not in log
        # TensorFlow logs errors of its own where there is no GPU.
        ours = re.compile(r"^E.* (?:verify|cli)\.py:\d+\] (.*)$", re.MULTILINE)
        return code, ours.findall(log)

    return run


@pytest.mark.parametrize("compression", tfrecord.COMPRESSIONS)
def test_good_folders_pass(tmp_path, verified, compression):
    write_records(tmp_path / "tfrecords", GOOD, compression)
    write_clean(tmp_path / "clean")
    for name in ("", "tfrecords", "clean"):
        assert verified(name) == (0, [])


def flip(path: pathlib.Path, *positions: int) -> None:
    data = bytearray(path.read_bytes())
    for position in positions:
        data[position] ^= 1
    path.write_bytes(data)


def test_every_damaged_record_is_named(tmp_path, verified):
    write_records(tmp_path, GOOD)
    size = len(GOOD[0]) + 16
    flip(tmp_path / NAME, size + 50, 3 * size + 50, 4 * size)
    code, errors = verified()
    path = tmp_path / NAME
    where = [f"{path}: record {i} (from 0) at byte {i * size}: " for i in (1, 3, 4)]
    assert code == 1
    assert f"{path} has SHA-256" in errors[0]
    assert errors[1:4] == [
        where[0] + "the CRC of its data does not match",
        where[1] + "the CRC of its data does not match",
        where[2] + "the CRC of its length does not match",
    ]
    assert errors[4:] == [f"{tmp_path}: 4 problems, listed above"]


def test_cut_file_is_found(tmp_path, verified):
    write_records(tmp_path, GOOD)
    data = (tmp_path / NAME).read_bytes()
    size = len(GOOD[0]) + 16
    (tmp_path / NAME).write_bytes(data[: 3 * size + 20])
    code, errors = verified()
    assert code == 1
    assert f"has {3 * size + 20} bytes, its manifest says {len(data)}" in errors[0]
    assert "record 3 (from 0)" in errors[2] and "ends inside it" in errors[2]
    assert "has 4 examples, its manifest says 5" in errors[3]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([*GOOD, GOOD[0]], "has 6 examples, its manifest says 5"),
        (GOOD[:4], "has 4 examples, its manifest says 5"),
        ([*GOOD[:4], *encoded([[2, 20, 3]])], "input_ids reaches 20, must be below 20"),
        ([*GOOD[:4], *encoded([[2, 3]], 8)], "not an example of max_seq_length=16"),
        ([*GOOD[:4], b"nonsense"], "not an example of max_seq_length=16"),
    ],
)
def test_wrong_content_under_right_hashes_is_found(tmp_path, verified, rows, problem):
    write_records(tmp_path, rows)
    code, errors = verified()
    assert code == 1
    assert problem in errors[0]
    assert len(errors) == 2
    if "manifest" not in problem:
        offset = 4 * (len(GOOD[0]) + 16)
        assert f"record 4 (from 0) at byte {offset}: " in errors[0]


def test_missing_file_is_found(tmp_path, verified):
    write_records(tmp_path, GOOD)
    (tmp_path / NAME).unlink()
    code, errors = verified()
    assert code == 1
    assert f"{tmp_path / NAME} is missing" in errors[0]
    assert len(errors) == 2


def test_changed_text_is_found(tmp_path, verified):
    write_clean(tmp_path / "clean")
    path = tmp_path / "clean" / "corpus-00000-00000.txt"
    path.write_text(path.read_text().replace("나\n다", "나 다"))
    code, errors = verified()
    assert code == 1
    assert "has SHA-256" in errors[0]
    assert "has 2 lines, its manifest says 3" in errors[1]


def test_reports_count(tmp_path, verified):
    """A report that changes in size, one that keeps it, and one that is missing."""
    clean = tmp_path / "clean"
    write_clean(clean)
    path = clean / "manifest.json"
    values = json.loads(path.read_text())
    (clean / "rejects").mkdir()
    names = ["report.html", "rejects/a.jsonl", "rejects/b.jsonl"]
    for name in names:
        (clean / name).write_text("as written")
    values["other_files"] = [manifest.file_entry(str(clean), name) for name in names]
    path.write_text(json.dumps(values))
    assert verified() == (0, [])
    (clean / names[0]).write_text("as edited!")
    (clean / names[1]).write_text("longer than it was")
    (clean / names[2]).unlink()
    code, errors = verified()
    assert code == 1
    assert f"{clean / names[0]} has SHA-256" in errors[0]
    assert f"{clean / names[1]} has 18 bytes, its manifest says 10" in errors[1]
    assert f"{clean / names[2]} is missing" in errors[3]


def test_files_that_no_manifest_names_are_found(tmp_path, verified):
    write_records(tmp_path / "tfrecords", GOOD)
    write_clean(tmp_path / "clean")
    stray = ["clean/corpus-00000-00001.txt", "clean/sub/a", "tfrecords/train/x.tmp"]
    (tmp_path / "clean" / "sub").mkdir()
    for name in stray:
        (tmp_path / name).write_text("가나\n")
    code, errors = verified()
    assert code == 1
    said = zip(stray, errors, strict=False)
    assert all(
        f"{tmp_path / name} is not in {tmp_path}" in error for name, error in said
    )
    assert len(errors) == 4


def test_text_that_is_not_utf_8_is_found(tmp_path, verified):
    write_clean(tmp_path / "clean")
    path = tmp_path / "clean" / "corpus-00000-00000.txt"
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\n")
    code, errors = verified("clean")
    assert code == 1
    assert "invalid" in errors[1]


def test_all_folders_are_checked_though_one_is_damaged(tmp_path, verified):
    write_records(tmp_path / "a", GOOD)
    write_records(tmp_path / "b", GOOD)
    for name in ("a", "b"):
        (tmp_path / name / NAME).unlink()
    (tmp_path / "c" / "_progress").mkdir(parents=True)
    shutil.copytree(tmp_path / "a", tmp_path / "d")
    (tmp_path / "d" / "manifest.json").write_text("{")
    code, errors = verified()
    assert code == 1
    said = ["a/", "b/", "c has no manifest.json: the stage did not", "d/manifest.json"]
    assert all(text in error for text, error in zip(said, errors, strict=False))
    assert "4 problems" in errors[4]


def test_folder_of_no_stage_is_refused(tmp_path, verified):
    code, (error,) = verified()
    assert code == 1
    assert "is not the folder of a stage" in error


def test_manifest_of_an_older_run_without_compression_is_read(tmp_path, verified):
    write_records(tmp_path, GOOD)
    path = tmp_path / "manifest.json"
    values = json.loads(path.read_text())
    del values["compression"]
    path.write_text(json.dumps(values))
    assert verified() == (0, [])
