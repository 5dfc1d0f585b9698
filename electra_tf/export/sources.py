"""What there is to convert: a run, files of the original, or exported folders."""

import dataclasses
import os
import re
from typing import Any, NamedTuple

import tensorflow as tf

from common import files
from common.cli import UserError, flag
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf import config_files
from electra_tf.export import hf_check, hf_source
from electra_tf.pretrain import trained
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, tf1_format
from electra_tf.weights import parameter_names, tf1_config

_SLOT = re.compile(r"/adam_[mv]$")
_STEP = re.compile(r"-(\d+)$")


@dataclasses.dataclass(frozen=True)
class SourceFlags:
    """Which networks to read: `model_dir`, `hf_dir`, or the last three."""

    model_dir: str = flag("", "A run's folder, made by run_pretraining.")
    step: int = flag(-1, "Checkpoint of --model_dir; default: the newest.", at_least=-1)
    hf_dir: str = flag("", "What convert_to_pytorch wrote: the folders' parent.")
    tf1_checkpoint: str = flag("", "The original's checkpoint: DIR/model.ckpt-1000.")
    hparams: str = flag("", "With --tf1_checkpoint: its JSON, or a file that holds it.")
    vocab_file: str = flag("", "With --tf1_checkpoint: its vocab.txt.")


class Trained(NamedTuple):
    """Networks with what an export needs beside them."""

    model: PretrainingModel
    vocab_file: str
    samples: list[dict[str, Any]]  # text and its ids
    checkpoint: str  # prefix of its files; empty for folders
    step: int


def load(flags: SourceFlags, only: str = "") -> Trained:
    """Reads a source.

    Args:
      only: the one network that has to be there; empty for all.

    Raises:
      UserError: the flags do not name one source, or it cannot be read.
    """
    original = (flags.tf1_checkpoint, flags.hparams, flags.vocab_file)
    named = [bool(flags.model_dir), bool(flags.hf_dir), any(original)]
    if sum(named) != 1 or any(original) != all(original):
        raise UserError(
            "name either --model_dir, for a run of run_pretraining, or --hf_dir, for "
            "folders of convert_to_pytorch, or all of --tf1_checkpoint, --hparams and "
            "--vocab_file, for the original's files"
        )
    if flags.model_dir:
        return _load_run(flags.model_dir, None if flags.step < 0 else flags.step)
    return _load_folders(flags.hf_dir, only) if flags.hf_dir else _load_tf1(flags, only)


def _load_run(model_dir: str, step: int | None) -> Trained:
    model, step = trained.load_model(model_dir, step)
    return Trained(
        model,
        os.path.join(model_dir, vocabulary.VOCAB_FILE),
        hf_check.read_samples(model_dir),
        checkpoints.prefix(model_dir, step),
        step,
    )


def _load_tf1(flags: SourceFlags, only: str) -> Trained:
    if not files.exists(flags.vocab_file):
        raise UserError(f"--vocab_file={flags.vocab_file} does not exist")
    tokenizer = tokenizer_source.load_beside(flags.vocab_file)
    hparams = config_files.parse_hparams(flags.hparams)
    model = read_model(flags.tf1_checkpoint, hparams, only)
    _check_vocabulary(flags.vocab_file, tokenizer, model)
    samples = hf_check.make_samples(tokenizer)
    step = _step(flags.tf1_checkpoint)
    return Trained(model, flags.vocab_file, samples, flags.tf1_checkpoint, step)


def _load_folders(path: str, only: str) -> Trained:
    found = hf_source.read(path)
    tokenizer = tokenizer_source.load_beside(found.vocab_file)
    shapes = {name: list(value.shape) for name, value in found.weights.items()}
    model, wanted = make_model(path, shapes, found.hparams, only)
    hf_source.check_generator(found, model.config)
    if missing := sorted(set(wanted) - set(shapes)):
        raise UserError(f"{path} lacks {', '.join(missing[:5])}")
    for name, variable in wanted.items():
        variable.assign(found.weights[name])
    _check_vocabulary(found.vocab_file, tokenizer, model)
    samples = hf_check.make_samples(tokenizer)
    return Trained(model, found.vocab_file, samples, "", 0)


def _check_vocabulary(
    vocab_file: str, tokenizer: tokenizer_source.Source, model: PretrainingModel
) -> None:
    vocab_size = model.config.discriminator().vocab_size
    if len(tokenizer.tokens) != vocab_size:
        raise UserError(
            f"{vocab_file} has {len(tokenizer.tokens)} tokens, the checkpoint's "
            f"embedding table {vocab_size} rows: name the vocabulary it was trained "
            "with, every line in its place"
        )


def read_model(
    prefix: str, hparams: dict[str, Any], only: str = ""
) -> PretrainingModel:
    """The networks of a TF1 checkpoint, with or without Adam slots beside them.

    Raises:
      UserError: a variable is missing, has another shape, or belongs to no network.
    """
    with tf1_format.reading(prefix):
        held = tf1_format.shapes(prefix)
    shapes = {name: held[name] for name in held if not _SLOT.search(name)}
    shapes.pop(tf1_format.GLOBAL_STEP, None)
    model, wanted = make_model(prefix, shapes, hparams, only)
    with tf1_format.reading(prefix):
        tf1_format.fill(prefix, wanted)
    return model


def make_model(
    path: str, shapes: tf1_config.Shapes, hparams: dict[str, Any], only: str = ""
) -> tuple[PretrainingModel, dict[str, tf.Variable]]:
    """A model for tensors of these names and shapes, and the variables to fill.

    Raises:
      UserError: the hparams contradict the shapes, or a tensor belongs to no network.
    """
    config = tf1_config.read_config(shapes, hparams, only)
    networks = [
        parameter_names.network_variables(config, kind)
        for kind in parameter_names.chosen_networks(config, only)
    ]
    model = PretrainingModel(config)
    if unknown := sorted(set(shapes) - set(model.named_variables)):
        raise UserError(
            f"{path} holds {len(unknown)} variables that no network takes: "
            f"{', '.join(unknown[:5])}"
        )
    wanted = {
        name: variable
        for name, variable in model.named_variables.items()
        if any(network.match(name) for network in networks)
    }
    return model, wanted


def read_slots(trained: Trained) -> dict[str, tf.Tensor]:
    """Adam's m and v of every variable.

    Raises:
      UserError: the checkpoint has none.
    """
    if not trained.checkpoint:
        raise UserError(
            "exported folders hold no optimizer state: leave --with_optimizer out"
        )
    wanted = [
        f"{name}/adam_{slot}" for name in trained.model.named_variables for slot in "mv"
    ]
    with tf1_format.reading(trained.checkpoint):
        held = tf1_format.shapes(trained.checkpoint)
        if missing := [name for name in wanted if name not in held]:
            raise UserError(
                f"{trained.checkpoint} has no optimizer state ({missing[0]} is "
                "missing): leave --with_optimizer out"
            )
        reader = tf.train.load_checkpoint(trained.checkpoint)
        return {name: reader.get_tensor(name) for name in wanted}


def _step(prefix: str) -> int:
    """That of global_step, else of the file's name, else 0."""
    if tf1_format.GLOBAL_STEP in tf1_format.shapes(prefix):
        return tf1_format.read_step(prefix)
    found = _STEP.search(prefix)
    return int(found[1]) if found else 0
