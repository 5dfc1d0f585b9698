"""Progress away from a terminal: plain log lines."""

import re

import pytest

from common import progress


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    logged = []
    record = lambda text, *args: logged.append(text % args)  # noqa: E731
    monkeypatch.setattr(progress.logging, "info", record)
    return logged


def test_last_line_tells_amount_rate_and_eta(lines):
    with progress.Progress("cleaning", total=2000, unit="B") as bar:
        bar.update_to(500)
        bar.update(500)
    assert len(lines) == 1
    assert re.fullmatch(
        r"cleaning: 1\.00k of 2\.00kB \(50 %\), \S+B/s, \d+ s, ETA \d+ s", lines[0]
    )


def test_long_work_logs_now_and_then(lines, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress("cleaning", total=100, unit="B") as bar:
        for second in range(31):
            now[0] = float(second)
            bar.update(1)
    assert [re.search(r"(\d+) s,", line)[1] for line in lines] == ["11", "22", "30"]


def test_nothing_to_do_divides_by_nothing(lines):
    with progress.Progress("cleaning", total=0, unit="B"):
        pass
    assert "(0 %)" in lines[0]
    assert "ETA inf s" in lines[0]
