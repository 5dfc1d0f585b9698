"""Which records a training step reads: for the step at which a loss jumps, say.

Prints a line per row of the step's batch: the file, the record's number in it from 0,
and the text, separated by tabs. They follow from the run's seed and the number of
records in each file, so nothing is trained or replayed, and they are the same on any
devices. Step N is the update that follows N updates: a line of the log at step M
is about the steps before M, and non_finite-N.npz holds the batch of step N.

  python -m electra_tf.batch_at --model_dir=W/model --step=1234
"""

import dataclasses
import os

from absl import logging

from common import cli, files
from common.cli import flag
from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf.run_folder import description


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step."""

    model_dir: str = flag(
        "", "Folder of a run of run_pretraining.", required=True, reads=True
    )
    step: int | None = flag(None, "The step, from 0; needed.", at_least=0)
    data_dir: str = flag(
        "",
        "The run's --data_dir (default: the folder that --model_dir lies in).",
        reads=True,
    )

    def records_dir(self) -> str:
        """
        Raises:
          UserError: the flag is missing, and the run does not lie in its data folder.
        """
        if self.data_dir:
            return self.data_dir
        folder = os.path.dirname(self.model_dir.rstrip("/")) or "."
        if not files.isdir(os.path.join(folder, "tfrecords")):
            raise UserError(
                f"there is no tfrecords/ beside --model_dir={self.model_dir}: pass the "
                "run's --data_dir=..."
            )
        return folder


def batch_at(settings: Settings) -> None:
    model_dir, step = settings.model_dir, settings.step
    if step is None:
        raise UserError("--step is needed: the number of updates before the batch")
    config, _ = description.read_run(model_dir)
    if step >= config.num_train_steps:
        raise UserError(
            f"--step={step} is not in the run of --model_dir={model_dir}: it has "
            f"num_train_steps={config.num_train_steps}, the steps 0 to "
            f"{config.num_train_steps - 1}"
        )
    data_dir = settings.records_dir()
    from electra_tf.pretrain.input_pipeline import Records  # imports TensorFlow

    records = Records(data_dir, config)
    description.check_same_run(model_dir, config, records.manifest)
    tokens = vocabulary.read_tokens(os.path.join(model_dir, vocabulary.VOCAB_FILE))
    rows = records.rows_at(step)
    logging.info("step %d reads %d records", step, len(rows))
    for row in rows:
        text = " ".join(tokens[i] for i in row.ids).replace(" ##", "")
        print(row.file, row.index, text, sep="\t")


if __name__ == "__main__":
    cli.run(batch_at)
