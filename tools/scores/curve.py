"""Scores of a pretraining run's checkpoints over its steps."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Sequence

from common import output_folder
from common.errors import UserError
from common.output_folder import Output
from electra_tf.finetune import results
from electra_tf.finetune.results import Results
from electra_tf.run_folder import checkpoints, description
from tools.scores import plots
from tools.scores import table as score_table

COMMAND = "score_checkpoints"


def chosen_steps(model_dir: str, wanted: Sequence[int] = ()) -> list[int]:
    """The wanted steps, else the run's milestones and its newest checkpoint.

    Without milestones (keep_checkpoint_every_n_steps is 0) all checkpoints.

    Raises:
      UserError: the folder has no run, or not these checkpoints.
    """
    config, _ = description.read_run(model_dir)
    steps = checkpoints.steps(model_dir)
    if not steps or (missing := set(wanted) - set(steps)):
        raise UserError(
            f"{model_dir} has no checkpoint {sorted(missing) if steps else ''}; it has "
            f"{steps}. Pass --steps that are there"
        )
    every = config.keep_checkpoint_every_n_steps or 1
    return sorted(wanted or {s for s in steps if s % every == 0} | {steps[-1]})


def write(output: Output, by_step: dict[int, Results]) -> None:
    """Results by step, as curve.png and, with a table, as curve.html.

    Step 0 stands for random weights.
    """
    points = {step: results.summary(result) for step, result in by_step.items()}
    first = next(iter(by_step.values()))
    title = f"{first.task} {first.metric}, {first.train_rows:,} rows"
    png = plots.curve(title, points)
    named = [
        (f"step-{step}", dataclasses.replace(result, model=f"step {step:,}"))
        for step, result in sorted(by_step.items())
    ]
    table = score_table.build(named, with_published=False)
    page = score_table.page(title, table, png)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "curve.png").write_bytes(png)
        pathlib.Path(folder, "curve.html").write_text(page, encoding="utf-8")
        output_folder.publish(folder, output, COMMAND, {})
