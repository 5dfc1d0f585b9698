"""What there is to convert: one of our runs, or files of the original."""

import dataclasses
import os
import re
from typing import Any, NamedTuple

import tensorflow as tf

from data_prep import files, tokenizer_source, vocab
from data_prep.cli import UserError, flag
from electra_tf import checkpoints, presets, tf1_checkpoint
from electra_tf.interchange import hf_check, names, tf1_config
from electra_tf.pretraining_model import PretrainingModel

_SLOT = re.compile(r"/adam_[mv]$")
_STEP = re.compile(r"-(\d+)$")


@dataclasses.dataclass(frozen=True)
class SourceFlags:
    """Which networks to read: `model_dir`, or the three below it."""

    model_dir: str = flag("", "A run's folder, made by run_pretraining.")
    step: int = flag(-1, "Checkpoint of --model_dir; default: the newest.", at_least=-1)
    tf1_checkpoint: str = flag("", "The original's checkpoint: DIR/model.ckpt-1000.")
    hparams: str = flag("", "With --tf1_checkpoint: its JSON, or a file that holds it.")
    vocab_file: str = flag("", "With --tf1_checkpoint: its vocab.txt.")


class Trained(NamedTuple):
    """Networks with what an export needs beside them."""

    model: PretrainingModel
    vocab_file: str
    samples: list[dict[str, Any]]  # text and its ids
    checkpoint: str  # prefix of its files
    step: int


def load(flags: SourceFlags, only: str = "") -> Trained:
    """Reads a source.

    Args:
      only: the one network that has to be there; empty for all.

    Raises:
      UserError: the flags do not name one source, or it cannot be read.
    """
    beside = (flags.hparams, flags.vocab_file)
    if flags.model_dir and not any((flags.tf1_checkpoint, *beside)):
        return _load_run(flags.model_dir, None if flags.step < 0 else flags.step)
    if all((flags.tf1_checkpoint, *beside)) and not flags.model_dir:
        return _load_tf1(flags, only)
    raise UserError(
        "name either --model_dir, for a run of run_pretraining, or all of "
        "--tf1_checkpoint, --hparams and --vocab_file, for the original's files"
    )


def _load_run(model_dir: str, step: int | None) -> Trained:
    model, step = checkpoints.load_model(model_dir, step)
    return Trained(
        model,
        os.path.join(model_dir, vocab.VOCAB_FILE),
        hf_check.read_samples(model_dir),
        checkpoints.prefix(model_dir, step),
        step,
    )


def _load_tf1(flags: SourceFlags, only: str) -> Trained:
    if not files.exists(flags.vocab_file):
        raise UserError(f"--vocab_file={flags.vocab_file} does not exist")
    tokenizer = tokenizer_source.load_beside(flags.vocab_file)
    hparams = presets.parse_hparams(flags.hparams)
    model = read_model(flags.tf1_checkpoint, hparams, only)
    vocab_size = model.config.discriminator().vocab_size
    if len(tokenizer.tokens) != vocab_size:
        raise UserError(
            f"{flags.vocab_file} has {len(tokenizer.tokens)} tokens, the checkpoint's "
            f"embedding table {vocab_size} rows: name the vocabulary it was trained "
            "with, every line in its place"
        )
    samples = hf_check.make_samples(tokenizer)
    step = _step(flags.tf1_checkpoint)
    return Trained(model, flags.vocab_file, samples, flags.tf1_checkpoint, step)


def read_model(
    prefix: str, hparams: dict[str, Any], only: str = ""
) -> PretrainingModel:
    """The networks of a TF1 checkpoint, with or without Adam slots beside them.

    Raises:
      UserError: a variable is missing, has another shape, or belongs to no network.
    """
    with tf1_checkpoint.reading(prefix):
        held = tf1_checkpoint.shapes(prefix)
    shapes = {name: held[name] for name in held if not _SLOT.search(name)}
    shapes.pop(tf1_checkpoint.GLOBAL_STEP, None)
    model, wanted = make_model(prefix, shapes, hparams, only)
    with tf1_checkpoint.reading(prefix):
        tf1_checkpoint.fill(prefix, wanted)
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
        names.network_variables(config, kind)
        for kind in names.chosen_networks(config, only)
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
    wanted = [
        f"{name}/adam_{slot}" for name in trained.model.named_variables for slot in "mv"
    ]
    with tf1_checkpoint.reading(trained.checkpoint):
        held = tf1_checkpoint.shapes(trained.checkpoint)
        if missing := [name for name in wanted if name not in held]:
            raise UserError(
                f"{trained.checkpoint} has no optimizer state ({missing[0]} is "
                "missing): leave --with_optimizer out"
            )
        reader = tf.train.load_checkpoint(trained.checkpoint)
        return {name: reader.get_tensor(name) for name in wanted}


def _step(prefix: str) -> int:
    """That of global_step, else of the file's name, else 0."""
    if tf1_checkpoint.GLOBAL_STEP in tf1_checkpoint.shapes(prefix):
        return tf1_checkpoint.read_step(prefix)
    found = _STEP.search(prefix)
    return int(found[1]) if found else 0
