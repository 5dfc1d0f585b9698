"""Trained networks to export: of a run, files of the original, or exported folders."""

import dataclasses
import os
import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from common import files
from common.errors import UserError
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf import config_files
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.export import hf_check, hf_config
from electra_tf.export.flags import TrainedModel
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description, tf1_format
from electra_tf.weights import infer_config, initialise, parameter_names, read
from electra_tf.weights.hf_files import read_json
from electra_tf.weights.read import Weights
from electra_tf.weights.sizes import LAYER_NORM_EPS

_STEP = re.compile(r"-(\d+)$")


class Trained(NamedTuple):
    """Networks with what an export needs beside them."""

    model: PretrainingModel
    vocab_file: str
    samples: list[dict[str, Any]]  # text and its ids
    checkpoint: str  # prefix of its files; empty for folders
    step: int


def load(source: TrainedModel, only: str = "") -> Trained:
    """Reads what the flags name.

    Args:
      only: the one network that has to be there; empty for all.

    Raises:
      UserError: it cannot be read, or has no such network.
    """
    if source.model_dir:
        return load_run(source.model_dir, source.step)
    if source.hf_dir:
        weights = _merge_copies(read.folders([source.hf_dir]))
        hparams, prefix, step = _stated_hparams(weights), "", 0
        vocab_file = os.path.join(weights.tokenizer_path, vocabulary.VOCAB_FILE)
    else:
        vocab_file, prefix = source.vocab_file, source.tf1_checkpoint
        hparams = config_files.parse_hparams(source.hparams)
        weights = read.checkpoint(prefix, vocab_file)
        step = _step(prefix)
    if not files.exists(vocab_file):
        raise UserError(f"{vocab_file} does not exist")
    tokenizer = tokenizer_source.load_beside(vocab_file)
    model = _make_model(weights, hparams, only)
    _check_heads(weights, model.config)
    vocab_size = model.config.discriminator().vocab_size
    if len(tokenizer.tokens) != vocab_size:
        raise UserError(
            f"{vocab_file} has {len(tokenizer.tokens)} tokens, the embedding table "
            f"{vocab_size} rows: name the vocabulary of the training, with every line "
            "in its place"
        )
    samples = hf_check.make_samples(tokenizer)
    return Trained(model, vocab_file, samples, prefix, step)


def load_run(model_dir: str, step: int | None = None) -> Trained:
    """The networks of a run at a step (default: the newest).

    Raises:
      UserError: there is no such run or checkpoint, or another vocabulary.
    """
    config, _ = description.read_run(model_dir)
    weights = read.run(model_dir, step=step)
    # Exports and their checks are in float32, whatever the run computed in.
    model = PretrainingModel(dataclasses.replace(config, compute_dtype="float32"))
    initialise.fill(model.named_variables, weights.path, weights.tensors)
    prefix = checkpoints.prefix(model_dir, weights.step)
    samples = hf_check.read_samples(model_dir)
    if not samples:
        tokenizer = tokenizer_source.load_beside(weights.tokenizer_path)
        samples = hf_check.make_samples(tokenizer)
    return Trained(model, weights.tokenizer_path, samples, prefix, weights.step)


def _make_model(
    weights: Weights, hparams: dict[str, Any], only: str
) -> PretrainingModel:
    """A model whose config the shapes and hparams give, with the wanted networks."""
    config = infer_config.infer_config(weights.shapes, hparams, only)
    networks = [
        parameter_names.network_variables(config, kind)
        for kind in parameter_names.chosen_networks(config, only)
    ]
    model = PretrainingModel(config)
    variables = model.named_variables
    if unknown := sorted(weights.tensors.keys() - variables.keys()):
        raise UserError(
            f"{weights.path} holds {len(unknown)} variables that belong to no network: "
            f"{', '.join(unknown[:5])}"
        )
    wanted = {n: v for n, v in variables.items() if any(p.match(n) for p in networks)}
    initialise.fill(wanted, weights.path, weights.tensors)
    return model


def _merge_copies(weights: Weights) -> Weights:
    """Variables that both folders hold alike become one.

    A generator alone keeps its embeddings where a discriminator would share them.
    """
    tensors = dict(weights.tensors)
    is_alone = not any(name.startswith("electra/") for name in tensors)
    for of_tables in (True, False):
        twins = {
            name: twin
            for name, twin in parameter_names.twins(weights.tensors).items()
            if name.startswith("generator/embeddings/") == of_tables
        }
        are_equal = all(
            twin in tensors and np.array_equal(tensors[name], tensors[twin])
            for name, twin in twins.items()
        )
        if are_equal or (of_tables and is_alone):
            for name, twin in twins.items():
                tensors[twin] = tensors.pop(name)
    return dataclasses.replace(weights, tensors=tensors)


def _stated_hparams(weights: Weights) -> dict[str, Any]:
    """The full-size network's hyperparameters; shapes show those that are missing."""
    for scope, stated in weights.stated.items():
        epsilon = stated.get("layer_norm_eps", LAYER_NORM_EPS)
        if epsilon != LAYER_NORM_EPS:
            raise UserError(
                f"{weights.path}: layer_norm_eps of the {scope} is {epsilon}, the "
                f"original's is always {LAYER_NORM_EPS}"
            )
    config = weights.stated.get("electra") or weights.stated["generator"]
    names = {field.name for field in dataclasses.fields(TransformerConfig)}
    overrides = {n: config[n] for n in names - {"vocab_size"} if n in config}
    path = os.path.join(weights.tokenizer_path, hf_config.TOKENIZER_CONFIG_FILE)
    settings = read_json(path) if files.exists(path) else {}
    positions = config.get("max_position_embeddings", 512)
    length = min(settings.get("model_max_length") or positions, positions)
    return {"model_hparam_overrides": overrides, "max_seq_length": int(length)}


def _check_heads(weights: Weights, config: PretrainingConfig) -> None:
    """The original derives a generator's heads from its width."""
    heads = weights.stated.get("generator", {}).get("num_attention_heads")
    if not heads or not config.uses_small_generator:
        return
    if heads != (rule := config.generator().num_attention_heads):
        raise UserError(
            f"the generator has {heads} attention heads, but the original gives one of "
            f"its width {rule}: its hyperparameters cannot express this generator"
        )


def read_slots(trained: Trained) -> dict[str, tf.Tensor]:
    """Adam's m and v of every variable.

    Raises:
      UserError: the checkpoint has none.
    """
    if not trained.checkpoint:
        raise UserError(
            "exported folders hold no optimizer state: omit --with_optimizer"
        )
    wanted = [
        f"{name}/adam_{slot}" for name in trained.model.named_variables for slot in "mv"
    ]
    with tf1_format.reading(trained.checkpoint):
        present = tf1_format.shapes(trained.checkpoint)
        if missing := [name for name in wanted if name not in present]:
            raise UserError(
                f"{trained.checkpoint} has no optimizer state ({missing[0]} is "
                "missing): omit --with_optimizer"
            )
        reader = tf.train.load_checkpoint(trained.checkpoint)
        return {name: reader.get_tensor(name) for name in wanted}


def _step(prefix: str) -> int:
    """That of global_step, else of the file's name, else 0."""
    if tf1_format.GLOBAL_STEP in tf1_format.shapes(prefix):
        return tf1_format.read_step(prefix)
    match = _STEP.search(prefix)
    return int(match[1]) if match else 0
