"""Baselines of a labelled task, by the protocol that fine-tuned models follow.

Fitted on train, C chosen on dev, scored once on test. Writes a results.json into a
folder for each baseline.

  python -m tools.score_baselines --task=nsmc --data_dir=nsmc --output_dir=runs/nsmc
"""

import os

from absl import flags, logging

from common import cli
from electra_tf.finetune import results
from electra_tf.finetune.data import splits, tasks
from tools.scores import baselines

_TASK = flags.DEFINE_enum("task", None, list(tasks.TASKS), "What is to be learnt.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the task's files.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Gets a folder with results.json for each baseline."
)
_TRAIN_ROWS = flags.DEFINE_integer(
    "train_rows", 0, "Train on so many rows; 0: on all.", lower_bound=0
)
_BASELINES = flags.DEFINE_list(
    "baselines", None, f"Of {', '.join(baselines.MODELS)}; all that the task has."
)
flags.mark_flags_as_required(["task", "data_dir", "output_dir"])


def score_baselines() -> None:
    task = tasks.TASKS[_TASK.value]
    wanted = baselines.names(task.kind, _BASELINES.value or ())
    data = splits.load(task, _DATA_DIR.value, _TRAIN_ROWS.value)
    for name in wanted:
        seed, config = baselines.score(name, data, task.metric)
        found = results.Results(
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
        results.write(os.path.join(_OUTPUT_DIR.value, name), found)
        scored = results.summary(found)
        logging.info(
            "%s, %d rows, %s: %s %.4f on %s (C %s, %.0f s)",
            *(task.name, len(data.train), name, task.metric, scored.mean),
            *(scored.split, config["C"], seed.seconds),
        )


if __name__ == "__main__":
    cli.run(score_baselines)
