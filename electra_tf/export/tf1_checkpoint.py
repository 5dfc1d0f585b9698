"""TF1 checkpoints that the original and transformers' old converters read."""

import json
import os
import re
from typing import Any, NamedTuple

import numpy as np

from common import files
from common.cli import UserError
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.export import hf_config
from electra_tf.export.sources import Trained, read_slots
from electra_tf.run_folder import checkpoints, tf1_format
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, networks
from electra_tf.weights.tf1_config import original_hparams

# Whose names a checkpoint has. Those beside the original's are for masked LMs, whose
# one encoder the original calls `electra`: load_tf_weights_in_bert knows BERT's names,
# load_tf_weights_in_electra those of a generator.
_BERT = (
    (r"^electra/", "bert/"),
    (r"^generator_predictions/(dense|LayerNorm)/", r"cls/predictions/transform/\1/"),
    (r"^generator_predictions/", "cls/predictions/"),
)
_GENERATOR = ((r"^electra/(?!embeddings/)", "generator/"),)
NAMES = {"original": (), "bert": _BERT, "generator": _GENERATOR}


def _renamed(values: dict[str, Any], names: str) -> dict[str, Any]:
    def rename(name: str) -> str:
        for pattern, replacement in NAMES[names]:
            name = re.sub(pattern, replacement, name)
        return name

    return {rename(name): value for name, value in values.items()}


class Content(NamedTuple):
    """What is written: tensors by name, and texts by file name."""

    tensors: dict[str, Any]
    texts: dict[str, str]


def content(trained: Trained, names: str, with_optimizer: bool = False) -> Content:
    """A checkpoint with its hparams, vocabulary, and what old converters ask for.

    Args:
      names: a key of NAMES.
      with_optimizer: adds Adam slots and global_step, with which training goes on.

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
      UserError: the run is no masked LM, but the names are for one.
    """
    if names != "original" and config.has_discriminator:
        raise UserError(f"--names={names} is for masked LMs, this run is none")
    if names == "bert":
        return networks(config)
    if names == "generator":
        return {GENERATOR: config.discriminator()}
    if not config.electra_objective:
        return {}
    found = {DISCRIMINATOR: config.discriminator()}
    if config.uses_small_generator and not config.untied_generator_embeddings:
        found[GENERATOR] = config.generator()
    return found
