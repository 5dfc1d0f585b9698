"""Manifests: of complete folders, whose files match them."""

import hashlib
import io
import os

import pytest

from common import files, manifest
from common.errors import UserError


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
    with pytest.raises(UserError, match="did not finish there"):
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
