"""Loads the networks of a run from one of its checkpoints."""

import dataclasses
import os

from common.cli import UserError
from data_prep.vocab import vocabulary
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description


def load_model(model_dir: str, step: int | None = None) -> tuple[PretrainingModel, int]:
    """A run's networks at a step (default: the newest), and that step.

    Raises:
      UserError: no such run or checkpoint, or the vocabulary is not the one trained
        with.
    """
    config, data = description.read_run(model_dir)
    vocab_file = os.path.join(model_dir, vocabulary.VOCAB_FILE)
    sha256 = vocabulary.fingerprint(vocab_file)
    if sha256 != data["vocab_sha256"]:
        raise UserError(
            f"{vocab_file} (SHA-256 {sha256[:16]}...) is not "
            f"the vocabulary of the run ({data['vocab_sha256'][:16]}...)"
        )
    # Exports and their checks use float32, whatever dtype the run computed in.
    model = PretrainingModel(dataclasses.replace(config, compute_dtype="float32"))
    return model, checkpoints.restore(model_dir, model.named_variables, step)
