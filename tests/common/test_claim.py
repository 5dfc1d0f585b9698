"""Two processes that train in one folder."""

import json
import os
import shutil

import pytest

from common.claim import CLAIM_FILE, Claim
from common.cli import UserError


def test_alone_the_folder_stays_ones_own(tmp_path):
    claim = Claim(str(tmp_path))
    claim.check()
    claim.check()
    assert os.listdir(tmp_path) == [CLAIM_FILE]


def test_the_later_one_has_the_folder_also_from_the_same_process(tmp_path):
    """As after a restart that gets the same process id and host name."""
    first, second = Claim(str(tmp_path)), Claim(str(tmp_path))
    second.check()
    with pytest.raises(UserError, match=rf"process {os.getpid()} of .* trains in"):
        first.check()
    second.check()


def test_says_who_has_it_and_since_when(tmp_path):
    claim = Claim(str(tmp_path))
    other = {"host": "vm-2", "pid": 7, "since": "2026-01-01T00:00:00+00:00", "id": "x"}
    (tmp_path / CLAIM_FILE).write_text(json.dumps(other))
    with pytest.raises(UserError, match="process 7 of vm-2 .* since 2026-01-01T00:00"):
        claim.check()


def test_removed_folder_is_not_written_to_again(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    claim = Claim(str(folder))
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="is gone"):
        claim.check()
