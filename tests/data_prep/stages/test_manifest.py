"""Stage folders: complete, matching their manifest, and never removed by mistake."""

import hashlib
import io
import os

import pytest

from common import files
from common.cli import UserError
from data_prep.stages import manifest


@pytest.fixture
def stage(tmp_path):
    folder = str(tmp_path / "stage")
    files.makedirs(folder)
    files.write_text(os.path.join(folder, "a.txt"), "가나")
    entries = [manifest.file_entry(folder, "a.txt", lines=1)]
    manifest.write(folder, "clean_corpus", {"files": entries})
    return folder


def test_entry_holds_size_hash_and_counts(stage):
    assert manifest.read(stage, "clean_corpus") == {
        "stage": "clean_corpus",
        "files": [
            {
                "name": "a.txt",
                "bytes": 6,
                "sha256": hashlib.sha256("가나".encode()).hexdigest(),
                "lines": 1,
            }
        ],
    }


def test_hashing_writer_agrees_with_the_written_file(tmp_path):
    buffer = io.BytesIO()
    writer = manifest.HashingWriter(buffer)
    for data in (b"ab", b"", b"cde"):
        writer.write(data)
    (tmp_path / "x").write_bytes(buffer.getvalue())
    assert writer.entry("x", n=2) == manifest.file_entry(str(tmp_path), "x", n=2)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a folder: run data_prep.clean_corpus"):
        manifest.read(str(tmp_path / "no"), "clean_corpus")


def test_unfinished_folder_is_refused(stage):
    os.remove(os.path.join(stage, "manifest.json"))
    with pytest.raises(UserError, match="did not finish there.*--overwrite"):
        manifest.read(stage, "clean_corpus")


def test_folder_of_another_stage_is_refused(stage):
    with pytest.raises(UserError, match="made by data_prep.clean_corpus.*train_vocab"):
        manifest.read(stage, "train_vocab")


def test_damaged_manifest_is_refused(stage):
    path = os.path.join(stage, "manifest.json")
    files.write_text(path, files.read_text(path)[:-9])
    with pytest.raises(UserError, match="manifest.json is damaged"):
        manifest.read(stage, "clean_corpus")


def test_truncated_file_is_refused(stage):
    os.truncate(os.path.join(stage, "a.txt"), 4)
    with pytest.raises(UserError, match="has 4 bytes, its manifest says 6"):
        manifest.read(stage, "clean_corpus")


def test_missing_file_is_refused(stage):
    os.remove(os.path.join(stage, "a.txt"))
    with pytest.raises(UserError, match="a.txt is missing, its manifest says 6"):
        manifest.read(stage, "clean_corpus")


def test_full_folder_is_kept_unless_told_otherwise(stage):
    with pytest.raises(UserError, match="contains 'a.txt'.*--overwrite"):
        manifest.prepare_output_dir(stage, overwrite=False)
    assert os.listdir(stage)
    manifest.prepare_output_dir(stage, overwrite=True)
    assert os.listdir(stage) == []


def test_overwriting_removes_the_manifest_first(stage, monkeypatch):
    removed = []
    monkeypatch.setattr(files, "remove", lambda p: removed.append(os.path.basename(p)))
    manifest.prepare_output_dir(stage, overwrite=True)
    assert removed == ["manifest.json", "a.txt"]


def test_file_as_output_folder_is_refused(stage):
    path = os.path.join(stage, "a.txt")
    with pytest.raises(UserError, match="is a file, a folder is needed"):
        manifest.prepare_output_dir(path, overwrite=True)
    assert files.read_text(path) == "가나"


def test_folder_that_holds_the_input_is_never_overwritten(stage):
    source = os.path.join(stage, "a.txt")
    for output in (stage, os.path.dirname(stage), stage + "/../stage/"):
        with pytest.raises(UserError, match="contains the input"):
            manifest.prepare_output_dir(output, overwrite=True, inputs=[source])
    assert files.exists(source)
    manifest.check_output_dir(stage + "2", overwrite=True, inputs=[source])


def test_missing_output_folder_is_made(tmp_path):
    manifest.prepare_output_dir(str(tmp_path / "a" / "b"), overwrite=False)
    assert os.path.isdir(tmp_path / "a" / "b")
