"""TF1 checkpoints that the original and transformers' old converters read."""

import json
import os
import re
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from common import files
from common.errors import UserError
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf import hparams
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.export import hf_config
from electra_tf.export.trained import Trained, read_slots
from electra_tf.run_folder import checkpoints, tf1_format
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, networks

# Whose names a checkpoint has -> how the original's are changed. Others are for masked
# LMs, whose one encoder the original calls `electra`: load_tf_weights_in_bert expects
# BERT's names, load_tf_weights_in_electra those of a generator.
_BERT = (
    (r"^electra/", "bert/"),
    (r"^generator_predictions/(dense|LayerNorm)/", r"cls/predictions/transform/\1/"),
    (r"^generator_predictions/", "cls/predictions/"),
)
_GENERATOR = ((r"^electra/(?!embeddings/)", "generator/"),)
NAMES = {"original": (), "bert": _BERT, "generator": _GENERATOR}


def original_hparams(config: PretrainingConfig) -> dict[str, Any]:
    """A config as the original reads it: only its names, every size filled in."""
    values = config.to_dict() | {
        "embedding_size": config.resolved_embedding_size,
        "vocab_size": config.discriminator().vocab_size,
    }
    default = PretrainingConfig()
    for name in sorted(hparams.names(PretrainingConfig, original=False)):
        if values.pop(name) != getattr(default, name):
            logging.info("the original has no %s: left out of its hparams", name)
    return values


def _renamed(values: dict[str, Any], names: str) -> dict[str, Any]:
    def rename(name: str) -> str:
        for pattern, replacement in NAMES[names]:
            name = re.sub(pattern, replacement, name)
        return name

    return {rename(name): value for name, value in values.items()}


class Content(NamedTuple):
    """The files to write: tensors by name, and texts by file name."""

    tensors: dict[str, Any]
    texts: dict[str, str]


def content(trained: Trained, names: str, with_optimizer: bool = False) -> Content:
    """A checkpoint with its hparams, its vocabulary and configs for old converters.

    Args:
      names: a key of NAMES.
      with_optimizer: adds Adam slots and global_step, so that training can resume.

    Raises:
      UserError: there is no optimizer state, or the names do not suit the run.
    """
    config = trained.model.config
    jsons = {
        f"{kind}_config.json": hf_config.network_config(config, transformer, kind)
        for kind, transformer in converted_networks(config, names).items()
    }
    jsons["hparams.json"] = original_hparams(config)
    texts = {name: json.dumps(value, indent=1) for name, value in jsons.items()}
    tokenizer = tokenizer_source.load_beside(trained.vocab_file)
    tensors: dict[str, Any] = dict(trained.model.named_variables)
    if with_optimizer:
        tensors |= read_slots(trained)
        tensors[tf1_format.GLOBAL_STEP] = np.int64(trained.step)
    return Content(
        _renamed(tensors, names), {**texts, vocabulary.VOCAB_FILE: tokenizer.vocab_text}
    )


def write(step: int, content: Content, output_dir: str) -> str:
    """Writes the files, the one called `checkpoint` last; returns the prefix."""
    prefix = checkpoints.prefix(output_dir, step)
    tf1_format.write(prefix, content.tensors)
    for name, text in content.texts.items():
        files.write_text(os.path.join(output_dir, name), text)
    checkpoints.write_state(output_dir)
    return prefix


def converted_networks(
    config: PretrainingConfig, names: str
) -> dict[str, TransformerConfig]:
    """The networks that transformers' old converters can read from a checkpoint.

    They look for a generator in a scope of its own, on the discriminator's embeddings.

    Raises:
      UserError: the names are for masked LMs, and this is another model.
    """
    if names != "original" and config.has_discriminator:
        raise UserError(
            f"--names={names} is for masked LMs, and this model has a discriminator: "
            "leave --names out"
        )
    if names == "bert":
        return networks(config)
    if names == "generator":
        return {GENERATOR: config.discriminator()}
    if not config.electra_objective:
        return {}
    kinds = {DISCRIMINATOR: config.discriminator()}
    if config.uses_small_generator and not config.untied_generator_embeddings:
        kinds[GENERATOR] = config.generator()
    return kinds
