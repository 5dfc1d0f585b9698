"""The pretrained encoder, and its tokenizer, that fine-tuning begins with."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from common import files
from common.cli import UserError
from data_prep.vocab import tokenizer_source
from electra_tf.config import TransformerConfig
from electra_tf.weights import initialise, sizes, vocabulary_match
from electra_tf.weights import read as weight_source

_ENCODER = "electra/"


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
    init_from: Sequence[str], vocab_path: str | None = None, step: int | None = None
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
    source = weight_source.read(init_from, vocab_path or "", step)
    network, embedding_size = sizes.encoder(source)
    vocabulary_match.check_vocabulary(source)
    pretraining = ("generator/", "generator_predictions/", "discriminator_predictions/")
    weights = {
        name: value
        for name, value in source.tensors.items()
        if not name.startswith(pretraining)
    }
    initialise.check_finite(source.path, weights)
    return Pretrained(
        path=source.path,
        network=network,
        embedding_size=embedding_size,
        weights=weights,
        tokenizer=_tokenizer(source.tokenizer_path),
        step=source.step,
        sha256=source.sha256,
    )


def _tokenizer(path: str) -> tokenizer_source.TokenizerFiles:
    if files.isdir(path):
        return tokenizer_source.load(path)
    return tokenizer_source.load_beside(path)


def fill(
    variables: dict[str, tf.Variable], pretrained: Pretrained, with_head: bool
) -> None:
    """Assigns the encoder's weights, or those of a whole fine-tuned model.

    Raises:
      UserError: a variable has no weights, or weights of another shape.
    """
    wanted = {n: v for n, v in variables.items() if with_head or _is_encoder(n)}
    if missing := sorted(wanted.keys() - pretrained.weights.keys()):
        raise UserError(
            f"{pretrained.path}: {len(missing)} of {len(wanted)} variables are "
            f"missing, such as {missing[0]}: it is another kind of model, or incomplete"
        )
    for name, variable in wanted.items():
        value = pretrained.weights[name]
        if value.shape != tuple(variable.shape):
            raise UserError(
                f"{pretrained.path}: {name} has shape {list(value.shape)} "
                f"but must have {variable.shape.as_list()}"
            )
        variable.assign(value)
    unused = sorted(pretrained.weights.keys() - wanted.keys())
    logging.info(
        "%s: %d variables loaded, %d unused%s",
        *(pretrained.path, len(wanted), len(unused)),
        f", such as {unused[0]}" if unused else "",
    )


def _is_encoder(name: str) -> bool:
    return name.startswith(_ENCODER)


def check_length(pretrained: Pretrained, max_seq_length: int) -> None:
    """Refuses sequences that are longer than the encoder's position table.

    Raises:
      UserError: names the longest that fits.
    """
    longest = pretrained.network.max_position_embeddings
    if not 3 < max_seq_length <= longest:
        raise UserError(
            f"--max_seq_length={max_seq_length}: {os.path.basename(pretrained.path)} "
            f"has {longest} positions, so it must be from 4 to {longest}"
        )
