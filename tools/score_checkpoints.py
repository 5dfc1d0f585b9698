"""Checkpoints of one pretraining run on a labelled task: score against step.

Each is fine-tuned as run_finetuning does it, into a folder of its own. Seeds that its
results.json has already are kept, so the same command goes on after a kill. Writes
curve.png and curve.html, again after each checkpoint.

  python -m tools.score_checkpoints --model_dir=runs/small --task=nsmc \
      --data_dir=nsmc --output_dir=runs/small-nsmc
"""

import os

from absl import flags, logging

from common import cli
from common.cli import UserError
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.finetune import protocol, start
from electra_tf.finetune.data import splits, tasks
from electra_tf.finetune.settings import Settings
from tools.scores import over_training

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the pretraining run.")
_TASK = flags.DEFINE_enum("task", None, list(tasks.TASKS), "What is to be learnt.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the task's files.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Gets the curve, and a folder for each checkpoint."
)
_STEPS = flags.DEFINE_list(
    "steps", [], "Which checkpoints; the run's milestones and its newest by default."
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "A fine-tuning for each.")
_TRAIN_ROWS = flags.DEFINE_integer(
    "train_rows", 0, "Train on so many rows; 0: on all.", lower_bound=0
)
_RANDOM_INIT = flags.DEFINE_bool("random_init", True, "Score random weights as step 0.")
cli.define_flags(Devices)
cli.define_flags(Settings)
flags.mark_flags_as_required(["model_dir", "task", "data_dir", "output_dir"])


def _numbers(flag: flags.FlagHolder) -> list[int]:
    """Raises UserError where a flag holds something else, or one number twice."""
    texts = flag.value
    if not all(text.isdecimal() for text in texts) or len(set(texts)) < len(texts):
        raise UserError(
            f"--{flag.name}={','.join(texts)}: different whole numbers are wanted, "
            "with commas between them"
        )
    return [int(text) for text in texts]


def score_checkpoints() -> None:
    task, seeds, model_dir = (
        tasks.TASKS[_TASK.value],
        _numbers(_SEEDS),
        _MODEL_DIR.value,
    )
    steps = over_training.chosen_steps(model_dir, _numbers(_STEPS))
    strategy = cli.from_flags(Devices).make_strategy()
    settings = protocol.resolved(cli.from_flags(Settings), task, strategy)
    dataset = splits.load(task, _DATA_DIR.value, _TRAIN_ROWS.value)
    name = os.path.basename(model_dir.rstrip("/"))
    found = {}
    for step in [0] * _RANDOM_INIT.value + steps:
        is_random = step == 0 and _RANDOM_INIT.value
        run = protocol.Run(
            task=task,
            dataset=dataset,
            start=start.read([model_dir], step=steps[0] if is_random else step),
            settings=settings,
            strategy=strategy,
            output_dir=os.path.join(_OUTPUT_DIR.value, f"step-{step}"),
            model_name=f"{name}, step {step:,}",
            random_init=is_random,
        )
        found[step] = protocol.score(run, seeds)
        if strategies.is_chief(strategy):
            over_training.write_curve(_OUTPUT_DIR.value, found)
    logging.info("%s/curve.html shows steps %s", _OUTPUT_DIR.value, list(found))


if __name__ == "__main__":
    cli.run(score_checkpoints)
