"""Resumed stages: no finished piece is lost, none of other settings is kept."""

import json
import pickle

import pytest

from common import files
from common.cli import UserError
from data_prep.stages import manifest, resume
from data_prep.stages.resume import Output

CONFIG = {"seed": 0, "shapes": (8, 16), "input": "a" * 64}


def begin(folder, config=CONFIG, stage="build_tfrecords", overwrite=False, inputs=()):
    return resume.begin(Output(str(folder), overwrite), stage, config, inputs)


def finish(work_log, number: int) -> dict:
    """Makes a piece of one file."""
    name = f"{number}.txt"
    path = f"{work_log.output_dir}/{name}"
    with files.atomic_writer(path) as handle:
        handle.write(b"x" * number)
    payload = {"entries": [manifest.file_entry(work_log.output_dir, name)], "n": number}
    work_log.finish(f"shard-{number}", payload)
    return payload


@pytest.fixture
def folder(any_folder):
    return any_folder


def test_killed_run_finds_what_it_finished(folder):
    payload = finish(begin(folder), 3)
    again = begin(folder)
    assert not again.is_complete
    assert again.done("shard-3") == payload
    assert again.done("shard-4") is None


def test_complete_folder_has_a_manifest_and_no_records(folder):
    work_log = begin(folder)
    payload = finish(work_log, 3)
    work_log.complete({"files": payload["entries"]})
    assert files.listdir(str(folder)) == ["3.txt", "manifest.json"]
    found = manifest.read(str(folder), "build_tfrecords")
    assert found["config"] == json.loads(json.dumps(CONFIG))
    assert begin(folder).is_complete


def test_overwriting_forgets_everything(folder):
    finish(begin(folder), 3)
    again = begin(folder, {"seed": 1}, overwrite=True)
    assert again.done("shard-3") is None
    assert files.listdir(str(folder)) == ["_progress"]
    again.complete({"files": []})
    assert not begin(folder, {"seed": 2}, overwrite=True).is_complete


@pytest.mark.parametrize("damage", ["missing", "other_size", "record"])
def test_damaged_piece_is_made_again(tmp_path, damage):
    work_log = begin(tmp_path)
    finish(work_log, 3)
    if damage == "missing":
        (tmp_path / "3.txt").unlink()
    elif damage == "other_size":
        (tmp_path / "3.txt").write_bytes(b"xx")
    else:
        (tmp_path / "_progress" / "shard-3.json").write_text('{"entries')
    assert work_log.done("shard-3") is None


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
    work_log = begin(tmp_path)
    payload = finish(work_log, 3)
    if is_complete:
        work_log.complete({"files": payload["entries"]})
    with pytest.raises(UserError, match=message):
        begin(tmp_path, config)
    assert begin(tmp_path).is_complete == is_complete
    assert (tmp_path / "3.txt").read_bytes() == b"xxx"


@pytest.mark.parametrize("is_complete", [False, True])
def test_folder_of_another_stage_is_refused(tmp_path, is_complete):
    work_log = begin(tmp_path)
    if is_complete:
        work_log.complete({"files": []})
    with pytest.raises(UserError, match=r"data_prep\.build_tfrecords"):
        begin(tmp_path, stage="train_vocab")


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / "keep.txt").write_text("precious")
    with pytest.raises(UserError, match="is not empty: it contains 'keep.txt'"):
        begin(tmp_path)
    assert (tmp_path / "keep.txt").read_text() == "precious"


def test_folder_that_holds_the_input_is_refused(tmp_path):
    for overwrite in (False, True):
        with pytest.raises(UserError, match="contains the input"):
            begin(tmp_path, overwrite=overwrite, inputs=[str(tmp_path / "in")])


def test_damaged_complete_folder_is_refused(tmp_path):
    work_log = begin(tmp_path)
    work_log.complete({"files": finish(work_log, 3)["entries"]})
    (tmp_path / "3.txt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"3\.txt has 1 bytes"):
        begin(tmp_path)


def test_run_killed_between_manifest_and_tidying_is_complete(tmp_path):
    work_log = begin(tmp_path)
    payload = finish(work_log, 3)
    values = {"files": payload["entries"], "config": work_log.config}
    manifest.write(str(tmp_path), "build_tfrecords", values)
    assert begin(tmp_path).is_complete
    assert files.listdir(str(tmp_path)) == ["3.txt", "manifest.json"]


def test_workers_record_for_themselves(tmp_path):
    copy = pickle.loads(pickle.dumps(begin(tmp_path)))
    payload = finish(copy, 3)
    assert begin(tmp_path).done("shard-3") == payload


def test_a_run_killed_before_it_began_is_begun(folder):
    files.makedirs(f"{folder}/{resume.FOLDER}")
    files.write_text(f"{folder}/{resume.FOLDER}/config.json.tmp", "{")
    assert not begin(folder).is_complete
    assert files.exists(f"{folder}/{resume.FOLDER}/config.json")
