"""The flags that name initial weights; importing them needs no TensorFlow."""

import dataclasses

from common.cli import flag
from common.errors import UserError


@dataclasses.dataclass(frozen=True)
class InitialWeights:
    """Initial weights of a new run (default: random ones)."""

    init_from: tuple[str, ...] = flag(
        (),
        "A folder of transformers (or DISCRIMINATOR,GENERATOR, or one folder that "
        "holds discriminator/ and generator/), a model's name on the Hugging Face Hub, "
        "the prefix of a TF1 checkpoint, or another run's folder.",
        reads=True,
    )
    init_step: int | None = flag(
        None, "Checkpoint of another run (default: the newest).", at_least=0
    )
    init_vocab: str = flag(
        "", "vocab.txt of --init_from, if it is not beside the weights.", reads=True
    )

    def __post_init__(self) -> None:
        if not self.init_from and (self.init_step is not None or self.init_vocab):
            raise UserError("--init_step and --init_vocab need --init_from")
