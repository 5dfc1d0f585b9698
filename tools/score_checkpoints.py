"""Checkpoints of one pretraining run on a labelled task: score against step.

Each is fine-tuned as run_finetuning does it, into its own folder. Seeds that its
results.json already has are kept, so the same command resumes after a kill. Draws
curve/curve.png and curve.html, again after each checkpoint.

  python -m tools.score_checkpoints --model_dir=runs/small --task=nsmc \\
      --data_dir=nsmc --output_dir=runs/small-nsmc
"""

import dataclasses
import os

from absl import logging

from common import cli, output_folder
from common.cli import flag
from common.output_folder import Output
from electra_tf.devices.flags import Devices
from electra_tf.finetune.data import splits, tasks
from electra_tf.finetune.settings import Settings, numbers


@dataclasses.dataclass(frozen=True)
class Scored:
    """What to score on what."""

    model_dir: str = flag(
        "", "Folder of the pretraining run.", required=True, reads=True
    )
    task: str | None = flag(
        None, "Task to learn.", choices=tuple(tasks.TASKS), required=True
    )
    data_dir: str = flag("", "Folder of the task's files.", required=True, reads=True)
    output_dir: str = flag(
        "",
        "Folder for the curve and for a folder per checkpoint.",
        required=True,
        writes="folder",
    )
    steps: tuple[str, ...] = flag(
        (), "Checkpoints, else the run's milestones and its newest."
    )
    seeds: tuple[str, ...] = flag(("0", "1", "2"), "Seeds of each checkpoint.")
    train_rows: int = flag(0, "Rows to train on, drawn by a hash (0: all).", at_least=0)
    random_init: bool = flag(True, "Score random weights as step 0.")


def score_checkpoints(given: Scored, settings: Settings, devices: Devices) -> None:
    task, seeds = tasks.TASKS[given.task], numbers("seeds", given.seeds)
    wanted = numbers("steps", given.steps) if given.steps else []
    from electra_tf.devices import strategies
    from electra_tf.finetune import pretrained, protocol
    from tools.scores import curve

    steps = curve.chosen_steps(given.model_dir, wanted)
    # Drawn anew with each score, which the results of the steps hold.
    output = Output(os.path.join(given.output_dir, "curve"), overwrite=True)
    output_folder.check(output, curve.COMMAND)
    strategy = strategies.make_strategy(devices)
    settings = protocol.resolved(settings, task, strategy)
    dataset = splits.load(task, given.data_dir, given.train_rows)
    name = os.path.basename(given.model_dir.rstrip("/"))
    by_step = {}
    for step in [0] * given.random_init + steps:
        is_random = step == 0 and given.random_init
        init_step = steps[0] if is_random else step
        run = protocol.Run(
            task=task,
            dataset=dataset,
            pretrained=pretrained.read([given.model_dir], step=init_step),
            settings=settings,
            strategy=strategy,
            output_dir=os.path.join(given.output_dir, f"step-{step}"),
            model_name=f"{name}, step {step:,}",
            random_init=is_random,
        )
        by_step[step] = protocol.score(run, seeds)
        if strategies.is_chief(strategy):
            curve.write(output, by_step)
    logging.info("%s/curve.html shows steps %s", output.output_dir, list(by_step))


if __name__ == "__main__":
    cli.run(score_checkpoints)
