"""The scoreboard: its picture, its page, and the command that writes them."""

import base64
import pathlib
import re

import matplotlib.image
from helpers import processes
from helpers.score_runs import run

from electra_tf.finetune import results
from electra_tf.finetune.results import Results
from tools.scores import plots
from tools.scores import table as score_table

FOUND = [
    ("a", run({0: 0.9, 1: 0.8}, model="<small>")),
    ("b", run({0: 0.7, 1: 0.6}, model="none", init="random")),
    ("c", run({0: 0.5}, model="words", init="baseline")),
]
BLUE, ORANGE, GREEN = (31, 119, 180), (255, 127, 14), (44, 160, 44)


def write(folder: pathlib.Path, found: list[tuple[str, Results]]) -> None:
    for name, result in found:
        results.write(str(folder / "nsmc" / name), result)


def coloured(png: bytes, folder: pathlib.Path, colour: tuple[int, int, int]) -> int:
    path = folder / "picture.png"
    path.write_bytes(png)
    image = (255 * matplotlib.image.imread(path)[..., :3]).round().astype(int)
    return int((abs(image - list(colour)).sum(-1) < 30).sum())


def test_picture_has_a_colour_for_each_kind_of_weights(tmp_path):
    for count in (1, 2, 3):
        png = plots.dots(score_table.build(FOUND[:count]))
        found = [coloured(png, tmp_path, c) > 20 for c in (BLUE, ORANGE, GREEN)]
        assert found == [i < count for i in range(3)]


def test_picture_says_so_where_runs_had_other_rows(tmp_path):
    bottoms = []
    for other in ("1" * 64, "2" * 64):
        found = [*FOUND[:2], ("c", run({0: 0.5}, model="words", data_sha256=other))]
        path = tmp_path / "picture.png"
        path.write_bytes(plots.dots(score_table.build(found)))
        image = matplotlib.image.imread(path)[..., :3]
        lines = ((image.sum(-1) < 0.5).mean(1) > 0.5).nonzero()[0]
        bottoms.append(len(image) - int(lines.max()))  # below the panel's last line
    assert bottoms[1] > bottoms[0] + 20


def test_undefined_scores_and_failed_seeds_leave_a_picture():
    found = [("a", run({0: "killed"})), ("b", run({0: float("nan")}, model="b"))]
    assert len(plots.dots(score_table.build(found))) > 3_000


def test_curve_has_a_point_for_each_step(tmp_path):
    points = {
        step: results.summary(run({0: score - 0.02, 1: score + 0.02}))
        for step, score in ((0, 0.6), (1000, 0.8), (2000, 0.85))
    }
    png = plots.curve("nsmc accuracy", points)
    assert coloured(png, tmp_path, BLUE) > 300


def test_page_holds_table_differences_and_picture():
    table = score_table.build(FOUND)
    page = score_table.page("Sco<res", table, b"\x89PNG")
    assert "<title>Sco&lt;res</title>" in page
    assert "<small>" not in page
    assert (
        "<tr><td>&lt;small&gt;</td><td>pretrained</td>"
        '<td class="number"><b>85.00 ± 7.07 (2)</b></td></tr>'
    ) in page
    cell = '<td class="number">{}</td>'.format
    assert f"<td>words</td><td>baseline</td>{cell('50.00')}" in page
    assert cell("+20.00 ± 0.00 (better with 2 of 2 seeds)") in page
    assert 'src="data:image/png;base64,iVBORw=="' in page


def test_command_writes_each_format_and_refuses_others(tmp_path):
    write(tmp_path, FOUND)
    codes, log = {}, ""
    for ending in ("md", "html", "png", "jpg"):
        ended = processes.run(
            *("-m", "tools.scoreboard", f"--runs={tmp_path}/*/*"),
            f"--output={tmp_path}/scores.{ending}",
        )
        codes[ending], log = ended.code, ended.err
    assert codes == {"md": 0, "html": 0, "png": 0, "jpg": 1}
    assert "scores.jpg must end in .md, .html or .png" in log
    assert "Traceback" not in log
    assert "**85.00 ± 7.07 (2)**" in (tmp_path / "scores.md").read_text()
    png = (tmp_path / "scores.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    page = (tmp_path / "scores.html").read_text()
    assert base64.b64decode(re.search('base64,([^"]*)"', page)[1]) == png
