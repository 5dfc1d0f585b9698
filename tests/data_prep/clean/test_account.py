"""The account of clean_corpus closes, or the run stops."""

import pytest
from helpers import clean_runs

from data_prep.clean import duplicates


def test_a_line_that_nobody_accounts_for_stops_the_run(write, tmp_path, monkeypatch):
    text = write(
        "a.txt", "같은 문장이 두 번 나옵니다\n" * 2 + "다른 문장은 한 번 나옵니다\n"
    )
    clean_runs.run([text], tmp_path / "counted")
    monkeypatch.setattr(duplicates, "dropped_counts", lambda *_: {})
    with pytest.raises(RuntimeError, match="3 lines and .* not .*'lines': 2"):
        clean_runs.run([text], tmp_path / "lost")
