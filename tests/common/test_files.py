"""Files appear whole or not at all."""

import json
import os

import pytest

from common import files
from common.cli import UserError


def test_written_file_has_its_content_and_leaves_no_temporary(tmp_path):
    path = str(tmp_path / "a.txt")
    files.write_text(path, "가나다\n")
    assert files.read_text(path) == "가나다\n"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_error_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="disk"):
        with files.atomic_writer(str(tmp_path / "a.txt")) as handle:
            handle.write(b"half")
            raise RuntimeError("disk")
    assert os.listdir(tmp_path) == []


def test_error_while_writing_keeps_the_old_file(tmp_path):
    path = str(tmp_path / "a.txt")
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt):
        with files.atomic_writer(path) as handle:
            handle.write(b"new")
            raise KeyboardInterrupt
    assert files.read_text(path) == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_target_is_never_half_written(tmp_path):
    path = str(tmp_path / "a.txt")
    files.write_text(path, "old")
    with files.atomic_writer(path) as handle:
        handle.write(b"new ")
        handle.flush()
        assert files.read_text(path) == "old"
        handle.write(b"text")
    assert files.read_text(path) == "new text"


def test_open_reader_of_a_replaced_file_still_reads_the_old_one(tmp_path):
    path = str(tmp_path / "a.txt")
    files.write_text(path, "old")
    with files.open_binary(path) as reader:
        files.write_text(path, "new")
        assert reader.read() == b"old"


def test_writer_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(UserError, match="cannot write .*a.txt: No such file"):
        files.write_text(str(tmp_path / "no" / "a.txt"), "x")


def test_json_round_trip(tmp_path):
    path = str(tmp_path / "a.json")
    files.write_json(path, {"글": ["가", 1, None]})
    assert files.read_json(path) == {"글": ["가", 1, None]}
    assert "글" in files.read_text(path)


def test_json_holds_half_a_surrogate_pair(tmp_path):
    path = str(tmp_path / "a.json")
    files.write_json(path, ["가\ud83d"])
    assert json.loads(files.read_text(path)) == ["가\ud83d"]


def test_names_are_sorted_and_a_missing_folder_is_empty(tmp_path):
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_text("x")
    assert files.listdir(str(tmp_path)) == ["a.txt", "b.txt", "c.md"]
    assert files.glob(str(tmp_path / "*.txt")) == [
        str(tmp_path / "a.txt"),
        str(tmp_path / "b.txt"),
    ]
    assert files.listdir(str(tmp_path / "no")) == []


def test_remove_takes_files_and_folders(tmp_path):
    files.makedirs(str(tmp_path / "d" / "e"))
    files.write_text(str(tmp_path / "d" / "e" / "a.txt"), "x")
    files.write_text(str(tmp_path / "b.txt"), "xyz")
    assert files.size(str(tmp_path / "b.txt")) == 3
    files.remove(str(tmp_path / "d"))
    files.remove(str(tmp_path / "b.txt"))
    assert not files.exists(str(tmp_path / "d"))
    assert os.listdir(tmp_path) == []
