"""Checkpoints of one run on a task: which are scored, what is kept, and the curve."""

import pathlib

import pytest
from score_runs import run

from data_prep import files
from data_prep.cli import UserError
from electra_tf import config as config_lib
from electra_tf.finetune import results
from electra_tf.finetune.results import Results
from tools import checkpoint_scores


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
    assert checkpoint_scores.chosen_steps(folder) == [20, 40, 47]
    assert checkpoint_scores.chosen_steps(folder, [47, 35]) == [35, 47]
    every = pretrained(tmp_path / "b", 20, 35, 47)
    assert checkpoint_scores.chosen_steps(every) == [20, 35, 47]


def test_checkpoints_that_are_not_there_are_refused(tmp_path):
    folder = pretrained(tmp_path / "a", 20, 35)
    with pytest.raises(UserError, match=r"no checkpoint \[30\]; it has \[20, 35\]"):
        checkpoint_scores.chosen_steps(folder, [20, 30])
    with pytest.raises(UserError, match=r"it has \[\]"):
        checkpoint_scores.chosen_steps(pretrained(tmp_path / "b"))
    with pytest.raises(UserError, match="name a run's folder"):
        checkpoint_scores.chosen_steps(str(tmp_path))


class Finetuning:
    """Stands for the library's: writes results, and remembers what it was asked for."""

    def __init__(self, fails_at: int | None = None):
        self.asked, self.fails_at = [], fails_at

    def __call__(self, step: int, folder: str) -> Results:
        if step == self.fails_at:
            raise KeyboardInterrupt
        self.asked.append(step)
        found = run({0: 0.5 + step / 100, 1: 0.51 + step / 100}, step=step)
        results.write(folder, found)
        return found


def score_all(
    folder: pathlib.Path, finetune: Finetuning, task: str = "nsmc", seeds=(0, 1)
):
    return checkpoint_scores.score_all([10, 20, 30], str(folder), task, seeds, finetune)


def test_what_an_earlier_call_finished_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        score_all(tmp_path, Finetuning(fails_at=20))
    again = Finetuning()
    found = score_all(tmp_path, again)
    assert again.asked == [20, 30]
    assert list(found) == [10, 20, 30]
    assert found == score_all(tmp_path, Finetuning(fails_at=10))


def test_results_of_something_else_are_not_kept(tmp_path):
    score_all(tmp_path, Finetuning())
    for changes in ({"task": "paws"}, {"seeds": (0, 1, 2)}):
        with pytest.raises(
            UserError, match="step-10/results.json is of .*name another"
        ):
            score_all(tmp_path, Finetuning(), **changes)


def test_curve_and_its_table_are_written(tmp_path):
    found = score_all(tmp_path, Finetuning())
    checkpoint_scores.write_curve(str(tmp_path), found)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "curve.html").read_text()
    assert "<td>step 10</td><td>pretrained</td><td>60.50 ± 0.71 (2)</td>" in page
    assert "<td><b>80.50 ± 0.71 (2)</b></td>" in page  # step 30
    assert page.index("step 10<") < page.index("step 20<") < page.index("step 30<")
