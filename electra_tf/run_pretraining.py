"""TFRecords -> an ELECTRA generator and discriminator.

Reads the folders `tfrecords` and `vocab` under --data_dir. The same command resumes a
run from its last checkpoint. Exit code 75 asks for that: after SIGTERM or Ctrl-C, with
all saved, and when other workers or the TPU went away. An error exits with 1.

  python -m electra_tf.run_pretraining --config=configs/demo.toml --data_dir=W \\
      --model_dir=W/model --hparams='{"num_train_steps": 1000}'

  python -m electra_tf.run_pretraining --mode=eval --data_dir=W --model_dir=W/model \\
      --step=1000

--init_from begins a new run from weights: with a fresh optimizer, at step 0.

  python -m electra_tf.run_pretraining --config=configs/demo.toml --data_dir=W2 \\
      --model_dir=W2/model --init_from=W/hf
"""

import dataclasses
import sys

from common import cli
from common.cli import flag
from common.errors import UserError
from electra_tf import config_files, hparams
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.devices.flags import Devices
from electra_tf.pretrain.stop_request import EXIT_PREEMPTED, StopRequest
from electra_tf.run_folder import description
from electra_tf.weights.flags import InitialWeights

HYPERPARAMETERS = f"""\
Hyperparameters (--config, --hparams) and their defaults:
{hparams.help_text(PretrainingConfig)}

Hyperparameters of the encoder (model_hparam_overrides):
{hparams.help_text(TransformerConfig)}"""


@dataclasses.dataclass(frozen=True)
class Run:
    """The run."""

    config: str = flag(
        "", "Preset, one of configs/*.toml; needed to train.", reads=True
    )
    hparams: str = flag(
        "",
        "Changes to the preset: a JSON object, or a file that holds one.",
        reads=True,
    )
    data_dir: str = flag(
        "",
        "Folder of tfrecords/ (build_tfrecords), vocab/ (train_vocab).",
        required=True,
        reads=("tfrecords", "vocab"),
    )
    model_dir: str = flag(
        "",
        "Folder of the run: a new one, or that of a run to resume.",
        required=True,
        writes="folder",
    )
    overwrite: bool = flag(
        False,
        "Begin anew in a folder that holds another run. That is kept until the new one "
        "is complete; until then the same command resumes the new one.",
    )
    mode: str = flag(
        "train",
        "eval evaluates a checkpoint of --model_dir under the config of its run.",
        choices=("train", "eval"),
    )
    step: int | None = flag(
        None, "With --mode=eval: the checkpoint (default: the newest).", at_least=0
    )

    def hyperparameters(self) -> PretrainingConfig:
        """The preset's, or with --mode=eval the run's own, with the changes given."""
        if self.mode == "eval":
            trained_with, _ = description.read_run(self.model_dir)
            return config_files.changed(trained_with, self.hparams)
        if not self.config:
            raise UserError("--config is needed: name a preset, one of configs/*.toml")
        return config_files.load(self.config, self.hparams)


def run_pretraining(given: Run, initial: InitialWeights, devices: Devices) -> None:
    if initial.init_from and given.mode == "eval":
        raise UserError("--init_from is for training: leave it out with --mode=eval")
    config = given.hyperparameters()
    if given.mode == "eval":
        from electra_tf.pretrain import run

        run.evaluate(config, given.data_dir, given.model_dir, devices, given.step)
        return
    with StopRequest().listening() as stop:
        # Imports TensorFlow, which takes seconds: --help and mistakes do not wait.
        from electra_tf.pretrain import run

        arguments = config, given.data_dir, given.model_dir, devices, initial, stop
        if not run.train(*arguments, given.overwrite):
            sys.exit(EXIT_PREEMPTED)


if __name__ == "__main__":
    cli.run(run_pretraining, HYPERPARAMETERS)
