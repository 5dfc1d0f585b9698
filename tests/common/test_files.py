"""Files appear whole or not at all, on this machine and on gs://."""

import http.server
import json
import multiprocessing
import os
import sys
import threading

import fsspec  # noqa: F401
import numpy as np
import pytest

from common import files
from common.errors import UserError


@pytest.fixture
def folder(any_folder) -> str:
    files.makedirs(any_folder)
    return any_folder


def test_written_file_has_its_content_and_leaves_no_temporary(folder):
    path = f"{folder}/a.txt"
    files.write_text(path, "가나다\n")
    assert files.read_text(path) == "가나다\n"
    assert files.listdir(folder) == ["a.txt"]
    assert files.size(path) == 10


def test_empty_file_is_created(folder):
    files.write_text(f"{folder}/a.txt", "")
    assert files.exists(f"{folder}/a.txt") and files.size(f"{folder}/a.txt") == 0
    assert files.read_text(f"{folder}/a.txt") == ""


def test_names_may_hold_anything_a_file_name_may(folder):
    for name in ("구어체(1) 댓글, [2020].txt", "a%20b.txt", "x#y?z.txt"):
        files.write_text(f"{folder}/{name}", name)
        assert files.read_text(f"{folder}/{name}") == name
        assert name in files.listdir(folder)


def test_error_while_writing_leaves_nothing(folder):
    with pytest.raises(RuntimeError, match="disk"):
        with files.atomic_writer(f"{folder}/a.txt") as handle:
            handle.write(b"half")
            raise RuntimeError("disk")
    assert files.listdir(folder) == []


def test_error_while_writing_keeps_the_old_file(folder):
    path = f"{folder}/a.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt):
        with files.atomic_writer(path) as handle:
            handle.write(b"new")
            raise KeyboardInterrupt
    assert files.read_text(path) == "old"
    assert files.listdir(folder) == ["a.txt"]


def test_target_is_never_half_written(folder):
    path = f"{folder}/a.txt"
    files.write_text(path, "old")
    with files.atomic_writer(path) as handle:
        handle.write(b"new ")
        handle.flush()
        assert files.read_text(path) == "old"
        handle.write(b"text")
    assert files.read_text(path) == "new text"


def test_two_writers_of_one_file_do_not_meet(folder):
    path = f"{folder}/a.txt"
    with files.atomic_writer(path) as one, files.atomic_writer(path) as other:
        one.write(b"one")
        other.write(b"other")
    assert files.read_text(path) == "one"  # the outer block ends last
    assert files.listdir(folder) == ["a.txt"]


def test_writer_can_seek(folder):
    with files.atomic_writer(f"{folder}/a.npz") as handle:
        np.savez_compressed(handle, x=np.arange(3))
    with files.open_binary(f"{folder}/a.npz") as handle:
        assert np.load(handle)["x"].tolist() == [0, 1, 2]


def test_appended_text_follows_what_was_there(folder):
    for line in ("가\n", "나\n"):
        files.append_text(f"{folder}/log.txt", line)
    assert files.read_text(f"{folder}/log.txt") == "가\n나\n"


def test_open_reader_of_a_replaced_file_still_reads_the_old_one(tmp_path):
    path = str(tmp_path / "a.txt")
    files.write_text(path, "old")
    with files.open_binary(path) as reader:
        files.write_text(path, "new")
        assert reader.read() == b"old"


def test_missing_files_are_errors_of_one_class(folder):
    with pytest.raises(FileNotFoundError):
        files.read_text(f"{folder}/no.txt")
    with pytest.raises(FileNotFoundError):
        files.size(f"{folder}/no.txt")
    assert not files.exists(f"{folder}/no.txt")


def test_writer_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(UserError, match="cannot write .*a.txt: No such file"):
        files.write_text(str(tmp_path / "no" / "a.txt"), "x")


def test_writer_into_a_missing_bucket_says_so(bucket_folder):
    with pytest.raises(UserError, match="cannot use gs://none/a.txt: FileNotFound"):
        files.write_text("gs://none/a.txt", "x")


@pytest.mark.parametrize(
    "path, message",
    [
        ("gs://bucket/a", r"gs:// needs a package: pip install -e '\.\[gcs\]'"),
        ("s3://bucket/a", "s3:// needs a package: Install s3fs"),
        ("odd://a", "cannot use odd://a: ValueError: Protocol not known: odd"),
    ],
)
def test_file_system_that_is_not_installed_is_named(path, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for scheme in ("gs", "s3"):  # loaded before
        loaded = sys.modules["fsspec.registry"]._registry
        monkeypatch.delitem(loaded, scheme, raising=False)
    with pytest.raises(UserError, match=message):
        files.exists(path)


class _Forbidden(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(403, "no storage.objects.get access")

    def log_message(self, *args) -> None:
        pass


def test_refused_access_says_how_to_get_it(monkeypatch, capfd):
    with http.server.HTTPServer(("127.0.0.1", 0), _Forbidden) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        with pytest.raises(UserError, match="cannot use gs://b/a: .*[Ff]orbidden") as e:
            files.read_text("gs://b/a")
        server.shutdown()
    assert "gcloud auth application-default login" in str(e.value)
    assert "Traceback" not in capfd.readouterr().err


def _write_and_read(path: str) -> str:
    files.write_text(path, os.path.basename(path))
    return files.read_text(path)


def test_worker_processes_use_the_bucket_their_parent_used(folder):
    files.write_text(f"{folder}/0", "0")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        names = pool.map(_write_and_read, [f"{folder}/{n}" for n in range(4)])
    assert names == files.listdir(folder) == ["0", "1", "2", "3"]


def test_json_round_trip(folder):
    path = f"{folder}/a.json"
    files.write_json(path, {"글": ["가", 1, None]})
    assert files.read_json(path) == {"글": ["가", 1, None]}
    assert "글" in files.read_text(path)


def test_json_holds_half_a_surrogate_pair(folder):
    path = f"{folder}/a.json"
    files.write_json(path, ["가\ud83d"])
    assert json.loads(files.read_text(path)) == ["가\ud83d"]


def test_names_are_sorted_and_a_missing_folder_is_empty(folder):
    for name in ("b.txt", "a.txt", "c.md", "d/e.txt"):
        files.makedirs(os.path.dirname(f"{folder}/{name}"))
        files.write_text(f"{folder}/{name}", "x")
    assert files.listdir(folder) == ["a.txt", "b.txt", "c.md", "d"]
    assert files.glob(f"{folder}/*.txt") == [f"{folder}/a.txt", f"{folder}/b.txt"]
    assert files.isdir(f"{folder}/d") and not files.isdir(f"{folder}/a.txt")
    assert files.listdir(f"{folder}/no") == []


def test_walk_lists_the_files_below_a_folder(folder):
    assert files.walk(f"{folder}/none") == []
    for name in ("b.txt", "sub/a.txt", "sub/deep/c.txt"):
        files.makedirs(os.path.dirname(f"{folder}/{name}"))
        files.write_text(f"{folder}/{name}", name)
    assert files.walk(folder) == ["b.txt", "sub/a.txt", "sub/deep/c.txt"]
    assert files.walk(f"{folder}/sub/") == ["a.txt", "deep/c.txt"]
    paths = [f"{folder}/{name}" for name in ("sub/a.txt", "b.txt")]
    assert files.read_all(paths) == [b"sub/a.txt", b"b.txt"]
    assert files.read_all(paths[:1]) == [b"sub/a.txt"]
    assert files.read_all([]) == []


def test_walk_does_not_follow_links(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("a")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "file").symlink_to(tmp_path / "out" / "a.txt")
    assert files.walk(str(tmp_path / "in")) == ["file", "folder"]


def test_many_files_are_renamed_and_removed(folder):
    names = ["a.txt", "b.txt", "c.txt"]
    for name in names:
        files.write_text(f"{folder}/{name}", name)
    pairs = [(f"{folder}/{name}", f"{folder}/sub/{name}") for name in names[:2]]
    files.rename_all(pairs)
    assert files.walk(folder) == ["c.txt", "sub/a.txt", "sub/b.txt"]
    assert files.read_text(f"{folder}/sub/b.txt") == "b.txt"
    files.rename_all([])
    files.remove_all([])
    files.remove_all([target for _, target in pairs] + [f"{folder}/missing.txt"])
    assert files.walk(folder) == ["c.txt"]
    files.remove_if_empty(f"{folder}/sub")
    files.remove_if_empty(folder)
    assert files.listdir(folder) == ["c.txt"]


def test_rename_replaces_the_target(folder):
    files.write_text(f"{folder}/a.txt", "new")
    files.write_text(f"{folder}/b.txt", "old")
    files.rename(f"{folder}/a.txt", f"{folder}/b.txt")
    assert files.listdir(folder) == ["b.txt"]
    assert files.read_text(f"{folder}/b.txt") == "new"


def test_remove_takes_files_and_folders(folder):
    files.makedirs(f"{folder}/d/e")
    files.write_text(f"{folder}/d/e/a.txt", "x")
    files.write_text(f"{folder}/b.txt", "xyz")
    files.remove(f"{folder}/d")
    files.remove(f"{folder}/b.txt")
    assert not files.exists(f"{folder}/d")
    assert files.listdir(folder) == []


def test_remove_takes_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.txt").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    files.remove(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["a.txt"]
