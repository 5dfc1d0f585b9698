"""Checkpoints in the original's own format, and what else a run's folder holds.

A run's folder (model_dir) holds
  config.json       the resolved config and what the data was
  vocab.txt         the vocabulary
  tokenizer.json    the same, with the tokenizer's options
  samples.jsonl     held-out lines with their token ids, for checking exports
  model.ckpt-N.*    TF1 name-based checkpoints: variables, Adam slots, global_step
  metrics.jsonl     a line per log interval and evaluation
"""

import os
import re
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_prep import files, vocab
from data_prep.cli import UserError
from data_prep.records import SAMPLES_FILE
from electra_tf import config as config_lib
from electra_tf.config import PretrainingConfig
from electra_tf.pretraining_model import PretrainingModel

CONFIG_FILE = "config.json"
GLOBAL_STEP = "global_step"
# What TensorFlow raises for a missing, cut or altered checkpoint file.
_UNREADABLE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)
_INDEX = re.compile(r"^model\.ckpt-(\d+)\.index$")

# What may change when a run goes on: none of it alters what was trained so far.
_MAY_CHANGE = {
    "eval_batch_size",
    "iterations_per_loop",
    "keep_checkpoint_max",
    "num_eval_steps",
    "num_train_steps",
    "save_checkpoints_steps",
}


def steps(model_dir: str) -> list[int]:
    """Steps of the checkpoints there are, ascending. The index is written last."""
    matches = map(_INDEX.match, files.listdir(model_dir))
    return sorted(int(match[1]) for match in matches if match)


def prefix(model_dir: str, step: int) -> str:
    return os.path.join(model_dir, f"model.ckpt-{step}")


def save(
    model_dir: str, step: int, variables: dict[str, tf.Variable], keep_max: int
) -> None:
    """Writes a checkpoint; then drops the oldest beyond `keep_max` (0 keeps all).

    TensorFlow writes to temporary names and the index last, so a killed save leaves the
    ones before it as they were.
    """
    tensors = {name: variable.read_value() for name, variable in variables.items()}
    tensors[GLOBAL_STEP] = tf.constant(step, tf.int64)
    path = prefix(model_dir, step)
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=path,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tensors[name] for name in names],
    )
    kept = steps(model_dir)
    for old in kept[:-keep_max] if keep_max else []:
        for name in files.listdir(model_dir):
            if name.startswith(f"model.ckpt-{old}."):
                files.remove(os.path.join(model_dir, name))
    _write_state(model_dir)


def _write_state(model_dir: str) -> None:
    """The file `checkpoint`, by which TensorFlow's own tools find the newest one."""
    names = [f'"model.ckpt-{step}"' for step in steps(model_dir)]
    lines = [f"model_checkpoint_path: {names[-1]}"]
    lines += [f"all_model_checkpoint_paths: {name}" for name in names]
    files.write_text(os.path.join(model_dir, "checkpoint"), "\n".join(lines) + "\n")


def load(path: str, variables: dict[str, tf.Variable]) -> int:
    """Fills the variables from a checkpoint; returns its step.

    Raises:
      UserError: a variable is missing, or has another shape.
    """
    reader = tf.train.load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map()
    for name, variable in variables.items():
        found = shapes.get(name)
        if found != variable.shape.as_list():
            state = "is missing" if found is None else f"has shape {found}"
            raise UserError(
                f"{path}: {name} {state}, the config says {variable.shape.as_list()}"
            )
    for name, variable in variables.items():
        variable.assign(reader.get_tensor(name))
    return int(np.asarray(reader.get_tensor(GLOBAL_STEP)))


def restore_or_initialise(model_dir: str, variables: dict[str, tf.Variable]) -> int:
    """Continues from the newest readable checkpoint; without one, starts at step 0.

    A damaged checkpoint is reported and the one before it is used.
    """
    found = steps(model_dir)
    for step in reversed(found):
        try:
            load(prefix(model_dir, step), variables)
            logging.info("continuing from %s", prefix(model_dir, step))
            return step
        except _UNREADABLE as error:
            logging.error(
                "%s cannot be read (%s), trying the one before",
                prefix(model_dir, step),
                error,
            )
    if found:
        raise UserError(
            f"none of the {len(found)} checkpoints in {model_dir} can be read: use a "
            "new --model_dir to begin again"
        )
    return 0


def open_run(
    model_dir: str, data_dir: str, config: PretrainingConfig, data: dict[str, Any]
) -> None:
    """Writes a new run's config, vocabulary and samples, or checks an old run's.

    Raises:
      UserError: the folder holds something else, or a run of another config or data.
    """
    described = {"config": config.to_dict(), "data": _describe(data)}
    held = [name for name in files.listdir(model_dir) if not name.endswith(".tmp")]
    before = _read_run(model_dir)
    if before is not None:
        _check_same_run(model_dir, before, described)
    elif held:
        raise UserError(
            f"--model_dir={model_dir} is not empty and no run of this program: it "
            f"holds {held[0]!r}. Name another folder, or say --overwrite to remove "
            "what is there"
        )
    files.makedirs(model_dir)
    # The config first: a folder that a kill left half made is then known for a run.
    files.write_json(os.path.join(model_dir, CONFIG_FILE), described)
    for name in (vocab.VOCAB_FILE, vocab.TOKENIZER_FILE, SAMPLES_FILE):
        text = files.read_text(os.path.join(data_dir, "tfrecords", name))
        files.write_text(os.path.join(model_dir, name), text)


def _read_run(model_dir: str) -> dict[str, Any] | None:
    """A run's config.json; None if there is none, or another program's."""
    path = os.path.join(model_dir, CONFIG_FILE)
    if not files.exists(path):
        return None
    try:
        found = files.read_json(path)
        return found if isinstance(found["config"] | found["data"], dict) else None
    except (ValueError, KeyError, TypeError):
        return None


def _describe(data: dict[str, Any]) -> dict[str, Any]:
    names = ("vocab_size", "vocab_sha256", "recipe", "recipe_hash", "seed", "counts")
    return {name: data[name] for name in names}


def _check_same_run(
    model_dir: str, before: dict[str, Any], described: dict[str, Any]
) -> None:
    changes = [
        f"{name}: {before[part].get(name)!r} there, {value!r} now"
        for part in ("config", "data")
        for name, value in described[part].items()
        if before[part].get(name) != value
        and not (part == "config" and name in _MAY_CHANGE)
    ]
    if changes:
        raise UserError(
            f"--model_dir={model_dir} holds a run of another config or data: "
            f"{'; '.join(changes)}. Name another folder, or say --overwrite"
        )


def read_run(model_dir: str) -> tuple[PretrainingConfig, dict[str, Any]]:
    """The config a run was trained with, and what its data was.

    Raises:
      UserError: no run is there.
    """
    path = os.path.join(model_dir, CONFIG_FILE)
    found = _read_run(model_dir)
    if found is None:
        raise UserError(
            f"{path} is not there, or not as run_pretraining writes it: name a run's "
            "folder"
        )
    return config_lib.from_dict(found["config"], path), found["data"]


def load_model(model_dir: str, step: int | None = None) -> tuple[PretrainingModel, int]:
    """A run's networks at a step (default: the newest), and that step.

    Raises:
      UserError: no such run or checkpoint, or the vocabulary is not the one trained
        with.
    """
    config, data = read_run(model_dir)
    vocab_file = os.path.join(model_dir, vocab.VOCAB_FILE)
    if vocab.fingerprint(vocab_file) != data["vocab_sha256"]:
        raise UserError(
            f"{vocab_file} (SHA-256 {vocab.fingerprint(vocab_file)[:16]}...) is not "
            f"the vocabulary of the run ({data['vocab_sha256'][:16]}...)"
        )
    found = steps(model_dir)
    if not found or step not in (None, *found):
        raise UserError(f"{model_dir} has no checkpoint {step or ''}; it has {found}")
    model = PretrainingModel(config)
    load(prefix(model_dir, found[-1] if step is None else step), model.named_variables)
    return model, found[-1] if step is None else step
