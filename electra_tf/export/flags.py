"""The flags that exports share; importing them needs no TensorFlow."""

import dataclasses

from common.cli import flag
from common.errors import UserError


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """The trained model: --model_dir, or --hf_dir, or the three for TF1 files."""

    model_dir: str = flag("", "Folder of a run of run_pretraining.", reads=True)
    step: int | None = flag(
        None, "Checkpoint of --model_dir (default: the newest).", at_least=0
    )
    hf_dir: str = flag("", "The --output_dir of convert_to_pytorch.", reads=True)
    tf1_checkpoint: str = flag(
        "", "Prefix of a checkpoint of the original: DIR/model.ckpt-1000.", reads=True
    )
    hparams: str = flag(
        "", "Its hyperparameters: a JSON object, or a file that holds one.", reads=True
    )
    vocab_file: str = flag("", "Its vocab.txt.", reads=True)

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
