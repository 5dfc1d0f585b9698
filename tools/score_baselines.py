"""Baselines of a labelled task, by the protocol of fine-tuned models.

Fitted on train, C chosen on dev, scored once on test. Writes a folder with a
results.json for each baseline.

  python -m tools.score_baselines --task=nsmc --data_dir=nsmc --output_dir=runs/nsmc
"""

import dataclasses
import os
import tempfile

from absl import logging

from common import cli, output_folder
from common.cli import flag
from common.output_folder import Output
from electra_tf.finetune import results
from electra_tf.finetune.data import splits, tasks


@dataclasses.dataclass(frozen=True)
class Scored:
    """What to score on what."""

    task: str | None = flag(
        None, "Task to learn.", choices=tuple(tasks.TASKS), required=True
    )
    data_dir: str = flag("", "Folder of the task's files.", required=True, reads=True)
    output_dir: str = flag(
        "",
        "Folder for a folder with results.json per baseline.",
        required=True,
        writes="folder",
    )
    overwrite: bool = flag(
        False, "Replace earlier scores of these baselines in --output_dir."
    )
    train_rows: int = flag(0, "Rows to train on, drawn by a hash (0: all).", at_least=0)
    baselines: tuple[str, ...] = flag(
        (), "Any of majority, words, characters, else all that the task has."
    )


def score_baselines(given: Scored) -> None:
    from tools.scores import baselines

    task = tasks.TASKS[given.task]
    wanted = baselines.names(task.kind, given.baselines)
    data = splits.load(task, given.data_dir, given.train_rows)
    outputs = {
        name: Output(os.path.join(given.output_dir, name), given.overwrite)
        for name in wanted
    }
    for output in outputs.values():
        output_folder.check_new(output, "score_baselines")
    for name, output in outputs.items():
        seed, config = baselines.score(name, data, task.metric)
        result = results.Results(
            task=task.name,
            metric=task.metric,
            model=baselines.MODELS[name],
            init="baseline",
            checkpoint=None,
            **data.described,
            config=config,
            counts=data.counts,
            seeds=[seed],
        )
        with tempfile.TemporaryDirectory() as folder:
            results.write(folder, result)
            output_folder.publish(folder, output, "score_baselines", {})
        summary = results.summary(result)
        logging.info(
            "%s, %d rows, %s: %s %.4f on %s (C %s, %.0f s)",
            *(task.name, len(data.train), name, task.metric, summary.mean),
            *(summary.split, config["C"], seed.seconds),
        )


if __name__ == "__main__":
    cli.run(score_baselines)
