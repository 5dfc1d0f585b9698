"""The pretrained encoder, and its tokenizer, that fine-tuning begins with."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from common import files
from data_prep.vocab import tokenizer_source
from electra_tf.config import TransformerConfig
from electra_tf.weights import initialise, sizes, vocabulary_match
from electra_tf.weights import read as weight_source


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """An encoder from any source, under the original's names.

    Attributes:
      path: as the user named it.
      weights: float32, without the heads of pretraining, with that of fine-tuning.
      step: of a pretraining run's checkpoint; None for other sources.
      sha256: of the weights' files.
    """

    path: str
    network: TransformerConfig
    embedding_size: int
    weights: dict[str, np.ndarray]
    tokenizer: tokenizer_source.TokenizerFiles
    step: int | None
    sha256: str

    @property
    def checkpoint(self) -> dict[str, Any]:
        """The encoder's entry in results.json."""
        return {"path": self.path, "step": self.step, "sha256": self.sha256}


def read(
    init_from: Sequence[str], vocab_path: str = "", step: int | None = None
) -> Pretrained:
    """Reads what --init_from names.

    Args:
      init_from: a folder of transformers, or one with discriminator/ in it; a name on
        the Hub; a TF1 checkpoint's prefix; or a pretraining run's folder.
      vocab_path: vocab.txt, or a tokenizer's folder, if not beside the weights.
      step: of a run's folder; None for its newest checkpoint.

    Raises:
      UserError: there is no whole encoder, it does not fit the vocabulary, or weights
        are not finite.
    """
    source = weight_source.read(init_from, vocab_path, step)
    network, embedding_size = sizes.encoder(source)
    vocabulary_match.check_vocabulary(source)
    pretraining = ("generator/", "generator_predictions/", "discriminator_predictions/")
    weights = {
        name: value
        for name, value in source.tensors.items()
        if not name.startswith(pretraining)
    }
    initialise.check_finite(source.path, weights)
    is_folder = files.isdir(source.tokenizer_path)
    load = tokenizer_source.load if is_folder else tokenizer_source.load_beside
    return Pretrained(
        path=source.path,
        network=network,
        embedding_size=embedding_size,
        weights=weights,
        tokenizer=load(source.tokenizer_path),
        step=source.step,
        sha256=source.sha256,
    )


def fill(
    variables: dict[str, tf.Variable], pretrained: Pretrained, with_head: bool
) -> None:
    """Assigns the encoder's weights, or those of a whole fine-tuned model.

    Raises:
      UserError: a variable has no weights, or weights of another shape.
    """
    scope = "" if with_head else "electra/"
    wanted = {n: v for n, v in variables.items() if n.startswith(scope)}
    initialise.fill(wanted, pretrained.path, pretrained.weights)
    unused = sorted(pretrained.weights.keys() - wanted.keys())
    logging.info(
        "%s: %d variables loaded, %d unused%s",
        *(pretrained.path, len(wanted), len(unused)),
        f", such as {unused[0]}" if unused else "",
    )
