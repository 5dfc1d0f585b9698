"""Curves of runs: what is drawn, the page, and folders that are no runs."""

import json
import math
import pathlib

import matplotlib.image
import pytest

from common.errors import UserError
from tools import run_page


def lines(scale: float = 1.0, **changes: float) -> list[dict]:
    """A short run's log."""

    def values(step: int) -> dict[str, float]:
        part = {"loss": scale * (40 - step / 10), "disc_auc": 0.5 + step / 400}
        return part | {"grad_norm": 3.0} | changes

    train = [{"kind": "train", "step": s, **values(s)} for s in range(10, 101, 10)]
    held_out = [{"kind": "eval", "step": s, **values(s)} for s in (0, 50, 100)]
    warning = {"kind": "warning", "step": 70, "rule": "r", "text": "recall < 1 %"}
    return [held_out[0], *train, *held_out[1:], warning]


def write_run(folder: pathlib.Path, records: list[dict]) -> str:
    folder.mkdir(parents=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(text)
    return str(folder)


def test_points_are_those_lines_that_have_the_metric(tmp_path):
    records = [*lines(), {"kind": "train", "step": 110, "loss": 20.5, "mfu": 0.25}]
    run = run_page.read_run(write_run(tmp_path / "a", records))
    assert run_page.points(run, "train", "mfu") == ([110], [0.25])
    assert run_page.points(run, "eval", "loss") == ([0, 50, 100], [40, 35, 30])
    assert run_page.points(run, "eval", "learning_rate") == ([], [])


def pixels(png: bytes, tmp_path: pathlib.Path):
    path = tmp_path / "picture.png"
    path.write_bytes(png)
    return (255 * matplotlib.image.imread(path)[..., :3]).round().astype(int)


def coloured(image, colour: tuple[int, int, int]) -> int:
    return int((abs(image - list(colour)).sum(-1) < 30).sum())


BLUE, ORANGE, GREEN = (31, 119, 180), (255, 127, 14), (44, 160, 44)


def test_each_run_has_its_colour(tmp_path):
    folders = [write_run(tmp_path / n, lines(s)) for n, s in (("a", 1.0), ("b", 1.2))]
    runs = {folder: run_page.read_run(folder) for folder in folders}
    image = pixels(run_page.plot(runs), tmp_path)
    counts = [coloured(image, colour) for colour in (BLUE, ORANGE, GREEN)]
    assert min(counts[:2]) > 300 and counts[2] == 0


def test_metrics_that_no_run_has_get_no_panel(tmp_path):
    few = run_page.read_run(write_run(tmp_path / "few", lines()))
    more = {name: 0.5 for name in ("replaced_rate", "disc_recall")}
    many = run_page.read_run(write_run(tmp_path / "many", lines(**more)))
    heights = [len(pixels(run_page.plot({"r": r}), tmp_path)) for r in (few, many)]
    assert heights[1] - heights[0] == pytest.approx(260, abs=2)  # a row of panels


def test_values_that_are_not_finite_are_left_out(tmp_path):
    records = [*lines(), {"kind": "train", "step": 110, "loss": math.nan}]
    run = run_page.read_run(write_run(tmp_path / "a", records))
    assert len(run_page.plot({"a": run})) > 10_000


def test_limits_hold_short_runs_and_cut_a_spike():
    low, high = run_page.limits([[10.0, 12.0, 40.0]])
    assert low < 10.0 and high > 40.0
    long = [10.0 + (i % 7) / 7 for i in range(1000)]
    low, high = run_page.limits([[*long, 500.0]])
    assert 9 < low < 10 and 10.8 < high < 12
    low, high = run_page.limits([[*long, 500.0], [30.0, 31.0]])
    assert 8 < low < 10 and 31 < high < 33
    low, high = run_page.limits([[3.0, 3.0]])
    assert low < 3.0 < high
    assert run_page.limits([[0.0]]) == (-1.0, 1.0)


def test_page_holds_picture_last_values_and_warnings(tmp_path):
    folder = write_run(tmp_path / "a<b", lines())
    page = run_page.page({"a<b": run_page.read_run(folder)}, b"\x89PNG")
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert "<title>a&lt;b</title>" in page and "a<b" not in page
    cells = [
        f'<th class="number">a&lt;b, {k}, step 100</th>' for k in ("train", "eval")
    ]
    assert "<th></th>" + "".join(cells) in page
    assert "<td>loss</td>" + 2 * '<td class="number">30</td>' in page
    assert '<p class="notice">a&lt;b, step 70: recall &lt; 1 %</p>' in page


def test_names_are_short_where_they_differ():
    assert run_page.names(["runs/a/", "gs://bucket/b"]) == ["a", "b"]
    assert run_page.names(["x/model/", "y/model"]) == ["x/model", "y/model"]


def test_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/metrics.jsonl does not exist"):
        run_page.read_run(str(tmp_path))


def test_run_without_numbers_is_refused(tmp_path):
    folder = write_run(tmp_path / "a", lines()[-1:])
    with pytest.raises(UserError, match=r"a/metrics\.jsonl has no metrics yet"):
        run_page.read_run(folder)
