"""Output folders: nothing finished is lost, nothing foreign is touched."""

import hashlib
import json
import os
import pathlib
import pickle
import subprocess
import sys

import pytest
from helpers import PYTHONPATH

from common import claim, files, manifest, output_folder
from common.errors import UserError
from common.output_folder import Output, WorkLog

COMMAND = "build_tfrecords"
CONFIG = {"seed": 0, "shapes": (8, 16), "input": "a" * 64}


def begin(folder, config=CONFIG, command=COMMAND, overwrite=False) -> WorkLog:
    return output_folder.begin(Output(str(folder), overwrite), command, config)


def write(log: WorkLog, number: int) -> dict:
    """Makes a piece: one file of the result, and one that only the run reads."""
    name = f"train/{number}.txt"
    paths = [f"{log.output}/{name}", f"{log.intermediate}/{number}.keys"]
    if log.start(f"shard-{number}", [*paths, f"{log.output}/rejects.txt"]) is None:
        for path in paths:
            files.write_text(path, "x" * number)
        entry = manifest.file_entry(log.output, name)
        log.finish(f"shard-{number}", {"entry": entry})
    return log.done(f"shard-{number}")


def finish(folder, numbers=(3,), **options) -> WorkLog:
    log = begin(folder, **options)
    log.complete({"files": [write(log, number)["entry"] for number in numbers]})
    return log


@pytest.fixture
def folder(any_folder):
    return any_folder


def test_killed_run_finds_what_it_finished(folder):
    made = write(begin(folder), 3)
    again = begin(folder)
    assert not again.is_complete
    assert again.start("shard-3", []) == made
    assert again.done("shard-4") is None


def test_finished_folder_has_the_files_and_their_manifest_alone(folder):
    log = begin(folder)
    entry = write(log, 3)["entry"]
    log.start("report", [f"{log.output}/report.html"])
    files.write_text(f"{log.output}/report.html", "<p>")
    log.finish("report", {})
    log.complete({"files": [entry]})
    assert files.walk(folder) == ["manifest.json", "report.html", "train/3.txt"]
    content = manifest.read(folder, COMMAND)
    assert content["config"] == json.loads(json.dumps(CONFIG))
    assert content["files"] == [entry]
    assert content["other_files"] == [manifest.file_entry(folder, "report.html")]
    assert begin(folder).is_complete


def test_overwriting_replaces_a_result_once_the_new_one_is_complete(folder):
    finish(folder, [3, 4])
    log = begin(folder, {"seed": 1}, overwrite=True)
    entry = write(log, 5)["entry"]
    assert manifest.read(folder, COMMAND)["config"]["seed"] == 0
    assert files.read_text(f"{folder}/train/4.txt") == "xxxx"
    log.complete({"files": [entry]})
    assert files.walk(folder) == ["manifest.json", "train/5.txt"]


def test_overwriting_begins_anew_only_once(folder):
    finish(folder)
    made = write(begin(folder, {"seed": 1}, overwrite=True), 4)
    assert begin(folder, {"seed": 1}, overwrite=True).done("shard-4") == made
    assert begin(folder, {"seed": 2}, overwrite=True).done("shard-4") is None


def test_an_earlier_run_s_records_are_not_a_later_one_s(folder):
    old = begin(folder)
    write(old, 3)
    new = begin(folder, {"seed": 1}, overwrite=True)
    files.makedirs(f"{folder}/_progress/records")
    files.write_json(f"{folder}/_progress/records/shard-3.json", {"run": old.run})
    assert new.done("shard-3") is None


@pytest.mark.parametrize("damage", ["missing", "other_size", "record"])
def test_damaged_piece_is_made_again(tmp_path, damage):
    log = begin(tmp_path)
    write(log, 3)
    path = pathlib.Path(log.output, "train/3.txt")
    if damage == "missing":
        path.unlink()
    elif damage == "other_size":
        path.write_bytes(b"xx")
    else:
        (tmp_path / "_progress/records/shard-3.json").write_text('{"run')
    assert log.done("shard-3") is None


@pytest.mark.parametrize("is_complete", [False, True])
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**CONFIG, "seed": 7}, "settings: seed was 0, is now 7. Choose"),
        ({**CONFIG, "new": "x"}, 'settings: new was null, is now "x". Choose'),
        ({"seed": 0, "shapes": [8]}, r"shapes was \[8, 16\], is now \[8\]; input was"),
        ({**CONFIG, "seed": "y" * 99}, r'is now "y{76}\.\.\.\. Choose'),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, is_complete, config, message):
    log = begin(tmp_path)
    made = write(log, 3)
    if is_complete:
        log.complete({"files": [made["entry"]]})
    with pytest.raises(UserError, match=message):
        begin(tmp_path, config)
    assert begin(tmp_path).is_complete == is_complete


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("is_complete", [False, True])
def test_folder_of_another_command_is_refused(tmp_path, is_complete, overwrite):
    log = begin(tmp_path)
    if is_complete:
        log.complete({})
    with pytest.raises(UserError, match="belongs to build_tfrecords, .* train_vocab"):
        begin(tmp_path, command="train_vocab", overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name",
    ["keep.txt", "manifest.json", "train/keep.txt", "_progress/keep.txt"]
    + ["_progress/begun.json", "_progress/records/a.json", "_progress/output/a.txt"],
)
@pytest.mark.parametrize("state", ["none", "unfinished", "complete"])
def test_foreign_files_are_named_and_stay(tmp_path, state, name, overwrite):
    if state == "unfinished":
        write(begin(tmp_path), 3)
    elif state == "complete":
        finish(tmp_path)
    path = tmp_path / name
    if path.exists():
        pytest.skip("the command's own")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('["precious"]')
    with pytest.raises(UserError, match=f"did not write: '{name}'"):
        begin(tmp_path, {"seed": 9}, overwrite=overwrite)
    assert path.read_text() == '["precious"]'


def test_links_are_foreign_and_never_followed(tmp_path):
    finish(tmp_path / "out")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "4.txt").write_text("precious")
    (tmp_path / "out" / "more").symlink_to(outside)
    with pytest.raises(UserError, match="did not write: 'more'"):
        begin(tmp_path / "out", overwrite=True)
    assert (outside / "4.txt").read_text() == "precious"


def test_an_own_file_that_became_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    finish(tmp_path / "out")
    (tmp_path / "precious.txt").write_text("precious")
    link = tmp_path / "out" / "train" / "3.txt"
    link.unlink()
    link.symlink_to(tmp_path / "precious.txt")
    finish(tmp_path / "out", config={"seed": 1}, overwrite=True)
    assert link.read_text() == "xxx" and not link.is_symlink()
    assert (tmp_path / "precious.txt").read_text() == "precious"


def test_a_file_is_no_output_folder(tmp_path):
    (tmp_path / "a").write_text("precious")
    with pytest.raises(UserError, match="is a file, a folder is needed"):
        begin(tmp_path / "a", overwrite=True)


def test_damaged_result_is_refused(tmp_path):
    finish(tmp_path)
    (tmp_path / "train" / "3.txt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"3\.txt has 1 bytes.*pass --overwrite"):
        begin(tmp_path)
    finish(tmp_path, overwrite=True)
    assert begin(tmp_path).is_complete


def test_workers_record_for_themselves(tmp_path):
    copy = pickle.loads(pickle.dumps(begin(tmp_path)))
    made = write(copy, 3)
    assert begin(tmp_path).done("shard-3") == made


def test_run_killed_before_it_began_is_begun(folder):
    files.makedirs(f"{folder}/_progress")
    for name in ("claim.json", "begun.json"):
        files.write_text(f"{folder}/_progress/{name}.17-0a1b2c3d.tmp", "{")
    finish(folder)
    assert files.walk(folder) == ["manifest.json", "train/3.txt"]


def test_a_second_run_is_told_who_works_there(tmp_path):
    log = begin(tmp_path)
    write(log, 3)
    holder = claim.read(str(tmp_path / "_progress"))
    holder |= {"pid": os.getppid(), "id": "another"}
    holder["process_start"] = claim._process_start(os.getppid())
    files.write_json(str(tmp_path / "_progress" / "claim.json"), holder)
    before = files.walk(str(tmp_path))
    for overwrite in (False, True):
        with pytest.raises(UserError, match=f"process {os.getppid()} of .* is still"):
            begin(tmp_path, {"seed": 1}, overwrite=overwrite)
    assert files.walk(str(tmp_path)) == before
    with pytest.raises(UserError, match="this process stops"):
        log.finish("shard-3", {})
    with pytest.raises(UserError, match="this process stops"):
        log.complete({})


def test_published_folder_replaces_the_one_before(folder, tmp_path):
    made = tmp_path / "made"
    for number in (1, 2):
        (made / "sub").mkdir(parents=True, exist_ok=True)
        (made / "sub" / f"{number}.bin").write_bytes(bytes(number))
        output = Output(folder, overwrite=number == 2)
        output_folder.check_new(output, "convert")
        output_folder.publish(str(made), output, "convert", {"step": number})
        (made / "sub" / f"{number}.bin").unlink()
        assert files.walk(folder) == ["manifest.json", f"sub/{number}.bin"]
    with pytest.raises(UserError, match="has a result of convert.*--overwrite"):
        output_folder.check_new(Output(folder), "convert")


def test_published_files_are_copied_whole(tmp_path):
    made = tmp_path / "made"
    (made / "a" / "b").mkdir(parents=True)
    (made / "a" / "large").write_bytes(os.urandom((1 << 24) + 17))  # over a block
    (made / "a" / "b" / "empty").write_bytes(b"")
    output_folder.publish(str(made), Output(str(tmp_path / "out")), "convert", {})
    assert _hashes(made).items() < _hashes(tmp_path / "out").items()


def test_a_copy_cut_short_leaves_no_file(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model.safetensors").write_bytes(b"weights")
    replace = os.replace

    def fail(source, target):
        if target.endswith("safetensors"):
            raise OSError("disk full")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", fail)
    output = Output(str(tmp_path / "out"))
    with pytest.raises(UserError, match="cannot write .*model.safetensors: disk full"):
        output_folder.publish(str(tmp_path / "made"), output, "convert", {})
    assert not [name for name in files.walk(output.output_dir) if "model" in name]


# A run that is killed before one of its changes of the disk.
_RUN = """
import os, sys
from common import files, manifest, output_folder
folder, seed, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
changes = 0
def count(event, arguments):
    global changes
    is_write = event == "open" and "w" in str(arguments[1])
    if is_write or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
        if str(arguments[0]).startswith(folder):
            changes += 1
            if changes > stop:
                os.kill(os.getpid(), 9)
sys.addaudithook(count)
output = output_folder.Output(folder, True)
log = output_folder.begin(output, "build_tfrecords", {"seed": seed})
entries = []
for number in (seed,):
    path = f"{log.output}/train/{number}.txt"
    rejects = f"{log.output}/rejects.txt"
    if log.start(f"shard-{number}", [path, rejects]) is None:
        files.write_text(path, "x" * number)
        log.finish(f"shard-{number}", {})
    entries.append(manifest.file_entry(log.output, f"train/{number}.txt"))
log.complete({"files": entries})
"""


def _run(folder: pathlib.Path, seed: int, stop: int = 10**9) -> int:
    command = [sys.executable, "-c", _RUN, str(folder), str(seed), str(stop)]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    return subprocess.run(command, env=environment, check=False).returncode


def test_killed_at_every_change_of_the_disk(tmp_path):
    """The old result or the new one is whole at all times, or a run completes it."""
    assert _run(tmp_path / "new", 4) == 0
    expected = _hashes(tmp_path / "new")
    kills = 0
    for stop in range(200):
        folder = tmp_path / f"{stop}"
        finish(folder, [1, 4], config={"seed": 1})
        old = _hashes(folder)
        if _run(folder, 4, stop) == 0:
            break
        kills += 1
        here = _hashes(folder)
        if "manifest.json" in here:
            content = json.loads((folder / "manifest.json").read_text())
            whole = old if content["config"]["seed"] == 1 else expected
            assert whole.items() <= here.items()
        else:
            assert (folder / "_progress" / "manifest.json").exists()
        assert _run(folder, 4) == 0
        assert _hashes(folder) == expected
    assert kills > 30


def _hashes(folder: pathlib.Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in files.walk(str(folder))
    }
