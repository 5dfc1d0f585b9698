"""The flags that exports share; importing them needs no TensorFlow."""

import dataclasses

from common.cli import UserError, flag
from data_prep.stages import manifest


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """The trained model: --model_dir, or --hf_dir, or the three for TF1 files."""

    model_dir: str = flag("", "Folder of a run of run_pretraining.")
    step: int | None = flag(
        None, "Checkpoint of --model_dir (default: the newest).", at_least=0
    )
    hf_dir: str = flag("", "The --output_dir of convert_to_pytorch.")
    tf1_checkpoint: str = flag(
        "", "Prefix of a checkpoint of the original: DIR/model.ckpt-1000."
    )
    hparams: str = flag(
        "", "Its hyperparameters: a JSON object, or a file that holds one."
    )
    vocab_file: str = flag("", "Its vocab.txt.")

    def __post_init__(self) -> None:
        original = (self.tf1_checkpoint, self.hparams, self.vocab_file)
        named = [bool(self.model_dir), bool(self.hf_dir), any(original)]
        if sum(named) != 1 or any(original) != all(original):
            raise UserError(
                "name the model in one way: --model_dir for a run of run_pretraining, "
                "--hf_dir for folders of convert_to_pytorch, or --tf1_checkpoint with "
                "--hparams and --vocab_file for files of the original"
            )
        if self.step is not None and not self.model_dir:
            raise UserError(
                f"--step={self.step} names a checkpoint of --model_dir: leave it out"
            )

    @property
    def inputs(self) -> list[str]:
        return [path for path in (self.model_dir, self.hf_dir, self.vocab_file) if path]


@dataclasses.dataclass(frozen=True)
class Output:
    """Output."""

    output_dir: str = flag("", "Folder to write: new or empty.", required=True)
    overwrite: bool = flag(False, "Remove what --output_dir holds.")

    def check(self, inputs: list[str]) -> None:
        """Refuses a folder that may not be written, before work is spent."""
        manifest.check_output_dir(self.output_dir, self.overwrite, inputs)

    def prepare(self, inputs: list[str]) -> None:
        """Empties the folder, once what goes there is ready."""
        manifest.prepare_output_dir(self.output_dir, self.overwrite, inputs)
