"""Two processes that work in one folder."""

import json
import multiprocessing
import shutil

import pytest
from helpers import claims

from common import claim
from common.claim import CLAIM_FILE
from common.errors import UserError


@pytest.fixture
def other():
    """A process of this host, which claims folders until it is killed."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        yield pool


def test_alone_the_folder_stays_ones_own(any_folder):
    mine = claim.take(any_folder, "train_vocab")
    mine.check()
    mine.check()
    assert claim.read(any_folder)["command"] == "train_vocab"
    mine.release()
    assert claim.read(any_folder) is None


def test_a_living_process_of_this_host_keeps_the_folder(any_folder, other):
    theirs = other.apply(claim.take, [any_folder, "train_vocab"])
    holder = claim.read(any_folder)
    message = f"train_vocab, process {holder['pid']} of .* still running.*kill"
    with pytest.raises(UserError, match=message):
        claim.take(any_folder, "train_vocab")
    assert claim.read(any_folder) == holder
    other.apply(theirs.check)


def test_a_dead_process_does_not(tmp_path):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=claim.take, args=[str(tmp_path), "train_vocab"])
    process.start()
    process.join()
    assert claim.read(str(tmp_path))["pid"] == process.pid
    claim.take(str(tmp_path), "train_vocab").check()


def test_nor_does_another_process_that_got_its_number(tmp_path, other):
    other.apply(claim.take, [str(tmp_path), "train_vocab"])
    holder = claim.read(str(tmp_path))
    holder["process_start"] += "0"
    (tmp_path / CLAIM_FILE).write_text(json.dumps(holder))
    claim.take(str(tmp_path), "train_vocab").check()


@pytest.mark.parametrize("text", ['{"claims": 3}', "[]", "precious"])
def test_a_foreign_file_of_its_name_is_no_claim(tmp_path, text):
    (tmp_path / CLAIM_FILE).write_text(text)
    with pytest.raises(UserError, match="was not written by a command"):
        claim.take(str(tmp_path), "train_vocab")
    assert (tmp_path / CLAIM_FILE).read_text() == text


def test_another_host_takes_over_and_the_older_process_stops(any_folder):
    mine = claim.take(any_folder, "run_pretraining")
    claims.take_over(any_folder)
    values = claim.read(any_folder)
    message = (
        "process 7 of vm-2, works in .* since 2026-01-01T00:00.*this process stops"
    )
    with pytest.raises(UserError, match=message):
        mine.check()
    mine.release()
    assert claim.read(any_folder) == values
    claim.take(any_folder, "run_pretraining").check()


def test_removed_folder_is_not_written_to_again(tmp_path):
    folder = tmp_path / "model"
    mine = claim.take(str(folder), "run_pretraining")
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="is gone"):
        mine.check()
