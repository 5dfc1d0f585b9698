"""Checkpoints of one run on a task: which are scored, what is kept, and the curve."""

import pathlib

import pytest
from helpers.score_runs import run

from common import files
from common.errors import UserError
from common.output_folder import Output
from electra_tf import config as config_lib
from tools.scores import curve


def pretrained(folder: pathlib.Path, *steps: int, milestones: int = 0) -> str:
    """What is looked at of a run's folder: its config, and names of checkpoints."""
    config = config_lib.from_dict({"keep_checkpoint_every_n_steps": milestones}, "x")
    folder.mkdir()
    described = {"config": config.to_dict(), "data": {}}
    files.write_json(str(folder / "config.json"), described)
    for step in steps:
        (folder / f"model.ckpt-{step}.index").touch()
    return str(folder)


def test_milestones_and_the_newest_checkpoint_are_scored(tmp_path):
    folder = pretrained(tmp_path / "a", 20, 35, 40, 47, milestones=20)
    assert curve.chosen_steps(folder) == [20, 40, 47]
    assert curve.chosen_steps(folder, [47, 35]) == [35, 47]
    every = pretrained(tmp_path / "b", 20, 35, 47)
    assert curve.chosen_steps(every) == [20, 35, 47]


def test_checkpoints_that_are_not_there_are_refused(tmp_path):
    folder = pretrained(tmp_path / "a", 20, 35)
    with pytest.raises(UserError, match=r"no checkpoint \[30\]; it has \[20, 35\]"):
        curve.chosen_steps(folder, [20, 30])
    with pytest.raises(UserError, match=r"it has \[\]"):
        curve.chosen_steps(pretrained(tmp_path / "b"))
    with pytest.raises(UserError, match="name a run's folder"):
        curve.chosen_steps(str(tmp_path))


def test_curve_and_its_table_are_written(tmp_path):
    found = {
        step: run({0: score - 0.005, 1: score + 0.005}, step=step)
        for step, score in ((30, 0.8), (10, 0.605), (20, 0.7))
    }
    found[0] = run({0: 0.5, 1: "the loss is nan"}, init="random")
    curve.write(Output(str(tmp_path / "curve"), overwrite=True), found)
    assert (tmp_path / "curve" / "curve.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "curve" / "curve.html").read_text()
    number = '<td class="number">{}</td>'.format
    assert "<td>step 10</td><td>pretrained</td>" + number("60.50 ± 0.71 (2)") in page
    assert number("<b>80.00 ± 0.71 (2)</b>") in page
    assert "<td>step 0</td><td>random</td>" + number("50.00 (1, 1 failed)") in page
    assert page.index("step 10<") < page.index("step 20<") < page.index("step 30<")
    assert "published" not in page.split("</style>")[1]
