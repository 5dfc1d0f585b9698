"""Runs that make room for another: all of their files, and no other file."""

import json
import pathlib

import pytest

from common import files
from common.claim import CLAIM_FILE
from common.errors import UserError
from electra_tf.run_folder import replaced

NAMES = """
    vocab.txt tokenizer.json samples.jsonl metrics.jsonl claim.json checkpoint
    model.ckpt-10.index model.ckpt-10.data-00000-of-00001 model.ckpt-2.index.tempstate7
    damaged-model.ckpt-20.index eval-10.json non_finite-12.npz
    tensorboard/train/events.out.tfevents.1.host.2.v2 tensorboard/rewritten.tmp
    metrics.jsonl.12-0123abcd.tmp
""".split()


def write_run(folder: pathlib.Path) -> None:
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    description = {"config": {}, "data": {}}
    (folder / "config.json").write_text(json.dumps(description))


def names(folder: pathlib.Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


def test_all_files_of_a_run_wait_elsewhere_until_they_are_removed(tmp_path):
    write_run(tmp_path)
    (tmp_path / CLAIM_FILE).write_text("{}")
    replaced.set_aside(str(tmp_path))
    aside = {f"replaced-1/{name}" for name in (*NAMES, "config.json")}
    if CLAIM_FILE in NAMES:
        aside -= {f"replaced-1/{CLAIM_FILE}"}
    assert names(tmp_path) == aside | {CLAIM_FILE}
    assert (tmp_path / "replaced-1" / "vocab.txt").read_text() == "vocab.txt"
    write_run(tmp_path)
    replaced.set_aside(str(tmp_path))
    assert (tmp_path / "replaced-2" / "config.json").exists()
    replaced.remove(str(tmp_path))
    assert names(tmp_path) == {CLAIM_FILE}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("replaced")]


@pytest.mark.parametrize("name", ["notes.txt", "hf/vocab.txt", "model.ckpt-best.index"])
def test_a_foreign_file_is_named_and_nothing_moves(tmp_path, name):
    write_run(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = names(tmp_path)
    with pytest.raises(UserError, match=f"no run wrote {name}: move"):
        replaced.set_aside(str(tmp_path))
    assert names(tmp_path) == before


@pytest.mark.parametrize("config", [None, '{"model_type": "electra"}'])
def test_a_folder_without_a_run_is_left_alone(tmp_path, config):
    (tmp_path / "vocab.txt").write_text("[PAD]")
    if config:
        (tmp_path / "config.json").write_text(config)
    before = names(tmp_path)
    with pytest.raises(UserError, match="vocab.txt"):
        replaced.set_aside(str(tmp_path))
    assert names(tmp_path) == before


def test_links_are_not_followed(tmp_path):
    write_run(tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "metrics.jsonl").write_text("mine")
    (tmp_path / "run" / "replaced-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="no run wrote replaced-1: move"):
        replaced.set_aside(str(tmp_path / "run"))
    replaced.remove(str(tmp_path / "run"))
    assert (tmp_path / "elsewhere" / "metrics.jsonl").read_text() == "mine"


def test_what_a_user_adds_to_a_replaced_run_stays(tmp_path):
    write_run(tmp_path)
    replaced.set_aside(str(tmp_path))
    (tmp_path / "replaced-1" / "notes.txt").write_text("mine")
    replaced.remove(str(tmp_path))
    assert names(tmp_path) - {CLAIM_FILE} == {"replaced-1/notes.txt"}


class Killed(BaseException):
    """What a test ends a process with."""


@pytest.mark.parametrize("moved", [1, 5])
def test_a_kill_in_the_middle_loses_nothing(tmp_path, monkeypatch, moved):
    write_run(tmp_path)
    rename, left = files.rename, [None] * moved

    def kill(*paths) -> None:
        if not left:
            raise Killed
        left.pop()
        rename(*paths)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(files, "rename", kill)
        replaced.set_aside(str(tmp_path))
    replaced.set_aside(str(tmp_path))
    expected = {f"replaced-1/{name}" for name in (*NAMES, "config.json")}
    found = {name for name in names(tmp_path) if name != CLAIM_FILE}
    assert found == expected - {f"replaced-1/{CLAIM_FILE}"}
