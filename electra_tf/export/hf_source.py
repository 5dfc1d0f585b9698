"""Exported folders -> one training's variables under the original's names."""

import dataclasses
import os
from typing import Any, NamedTuple

import numpy as np

from common import files
from common.cli import UserError
from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.export import hf_config
from electra_tf.weights import hf_files
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, MASKED_LM

_KINDS = (DISCRIMINATOR, GENERATOR, MASKED_LM)
_SAID = [
    field.name
    for field in dataclasses.fields(TransformerConfig)
    if field.name != "vocab_size"
]
_LAYER_NORM_EPS = 1e-12


class Networks(NamedTuple):
    """All networks of one training."""

    weights: dict[str, np.ndarray]  # by the original's names
    hparams: dict[str, Any]  # what the configs say of the original's hyperparameters
    generator_config: dict[str, Any]  # empty without one
    vocab_file: str


def read(path: str) -> Networks:
    """Reads the folder that holds `discriminator` and `generator`, or `masked_lm`.

    Raises:
      UserError: it holds none of them, or one is damaged.
    """
    kinds = [k for k in _KINDS if files.isdir(os.path.join(path, k))]
    if not kinds:
        raise UserError(
            f"--hf_dir={path} holds none of the folders {', '.join(_KINDS)}: name "
            "the --output_dir of tools/convert_to_pytorch.py"
        )
    folders = {kind: hf_files.read(os.path.join(path, kind)) for kind in kinds}
    for folder in folders.values():
        epsilon = folder.config.get("layer_norm_eps", _LAYER_NORM_EPS)
        if epsilon != _LAYER_NORM_EPS:
            raise UserError(
                f"{folder.path}: layer_norm_eps is {epsilon}, the original's "
                f"{_LAYER_NORM_EPS} cannot be changed"
            )
    weights = {kind: folder.weights for kind, folder in folders.items()}
    vocab_file = os.path.join(folders[kinds[0]].path, vocabulary.VOCAB_FILE)
    if not files.exists(vocab_file):
        raise UserError(f"{vocab_file} does not exist")
    generator = folders[GENERATOR].config if GENERATOR in folders else {}
    return Networks(
        _joined(weights), _hparams(folders[kinds[0]]), generator, vocab_file
    )


def _joined(weights: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Variables that both networks have alike are one variable."""
    if GENERATOR not in weights:
        (alone,) = weights.values()
        return alone
    discriminator = weights.get(DISCRIMINATOR, {})
    generator = weights[GENERATOR]
    tables = {name for name in generator if name.startswith("electra/embeddings/")}
    encoder = {name for name in generator if name.startswith("electra/")} - tables
    scopes = {}
    for part in (tables, encoder):
        shared = _same(part, generator, discriminator) or (
            part is tables and not discriminator
        )
        scopes |= dict.fromkeys(part, "electra/" if shared else "generator/")
    renamed = {
        scopes.get(name, "") + name.removeprefix("electra/"): value
        for name, value in generator.items()
    }
    return discriminator | renamed


def _same(
    names: set[str], first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> bool:
    return all(n in second and np.array_equal(first[n], second[n]) for n in names)


def _hparams(folder: hf_files.Folder) -> dict[str, Any]:
    """The full-size network's hyperparameters; what it does not say, shapes do."""
    config = folder.config
    overrides = {name: config[name] for name in _SAID if name in config}
    source = os.path.join(folder.path, hf_config.TOKENIZER_CONFIG_FILE)
    settings = files.read_json(source) if files.exists(source) else {}
    positions = config.get("max_position_embeddings", 512)
    length = min(settings.get("model_max_length") or positions, positions)
    return {"model_hparam_overrides": overrides, "max_seq_length": int(length)}


def check_generator(networks: Networks, config: PretrainingConfig) -> None:
    """The original derives a generator's heads from its size.

    Raises:
      UserError: this one has others.
    """
    heads = networks.generator_config.get("num_attention_heads")
    if not heads or not config.uses_small_generator:
        return
    if heads != (rule := config.generator().num_attention_heads):
        raise UserError(
            f"the generator has {heads} attention heads, the original gives one of "
            f"its size {rule}: it cannot be expressed"
        )
