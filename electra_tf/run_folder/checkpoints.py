"""Checkpoints in the original's own format, and what else a run's folder holds.

A run's folder (model_dir) holds
  config.json       the resolved config, what the data was, and --init_from's weights
  vocab.txt         the vocabulary
  tokenizer.json    the same, with the tokenizer's options
  samples.jsonl     held-out lines with their token ids, for checking exports
  model.ckpt-N.*    TF1 name-based checkpoints: variables, Adam slots, global_step
  damaged-*         checkpoints that could not be read
  metrics.jsonl     a line per log interval, evaluation and warning
  tensorboard/      the same for TensorBoard
  trainer.json      which process trains there
"""

import os
import re
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from common import files
from common.cli import UserError
from data_prep.records.example import SAMPLES_FILE
from data_prep.vocab import vocabulary
from electra_tf import config as config_lib
from electra_tf.config import PretrainingConfig
from electra_tf.run_folder import tf1_format

CONFIG_FILE = "config.json"
_INDEX = re.compile(r"^model\.ckpt-(\d+)\.index$")
_PART = re.compile(r"^model\.ckpt-(\d+)\.")
# Damaged checkpoints are renamed, to be neither read nor counted again.
_DAMAGED = "damaged-"

# What may change when a run goes on: none of it alters what was trained so far.
_MAY_CHANGE = {
    "compute_dtype",
    "eval_batch_size",
    "eval_every_n_steps",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "iterations_per_loop",
    "keep_checkpoint_every_n_steps",
    "keep_checkpoint_max",
    "num_eval_steps",
    "num_train_steps",
    "save_checkpoints_minutes",
    "save_checkpoints_steps",
}


def steps(model_dir: str) -> list[int]:
    """Steps of the checkpoints there are, ascending. The index is written last."""
    matches = map(_INDEX.match, files.listdir(model_dir))
    return sorted(int(match[1]) for match in matches if match)


def prefix(model_dir: str, step: int) -> str:
    return os.path.join(model_dir, f"model.ckpt-{step}")


def save(
    model_dir: str,
    step: int,
    variables: dict[str, tf.Variable] | dict[str, tf.Tensor],
    keep_max: int,
    keep_every_n_steps: int = 0,
) -> None:
    """Writes a checkpoint; then drops the oldest beyond `keep_max` (0 keeps all).

    Those at multiples of `keep_every_n_steps` stay and are not counted. TensorFlow
    writes to temporary names and the index last, so a save that is killed or fails
    leaves the ones before it as they were.
    """
    try:
        values = {**variables, tf1_format.GLOBAL_STEP: np.int64(step)}
        tf1_format.write(prefix(model_dir, step), values)
        kept = steps(model_dir)
        milestones = {
            s for s in kept if keep_every_n_steps and s % keep_every_n_steps == 0
        }
        newest = [s for s in kept if s not in milestones]
        _remove_all_but(model_dir, milestones | set(newest[-keep_max:]))
        write_state(model_dir)
    except (OSError, tf.errors.OpError):
        _remove_all_but(model_dir, set(steps(model_dir)))
        raise


def _remove_all_but(model_dir: str, kept: set[int]) -> None:
    """Removes other checkpoints, and what killed saves left of theirs."""
    for name in files.listdir(model_dir):
        part = _PART.match(name)
        if part and (int(part[1]) not in kept or ".tempstate" in name):
            files.remove(os.path.join(model_dir, name))


def write_state(model_dir: str) -> None:
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
    tf1_format.fill(path, variables)
    return tf1_format.read_step(path)


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
        except tf1_format.UNREACHABLE:
            raise
        except tf1_format.UNREADABLE as error:
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


def set_aside_after(model_dir: str, step: int) -> None:
    """Renames the checkpoints past the one restored, which are damaged.

    Else they would push good ones out of the `keep_checkpoint_max` newest.
    """
    damaged = {found for found in steps(model_dir) if found > step}
    for name in files.listdir(model_dir):
        part = _PART.match(name)
        if part and int(part[1]) in damaged:
            path = os.path.join(model_dir, name)
            files.rename(path, os.path.join(model_dir, _DAMAGED + name))


def restore(model_dir: str, variables: dict[str, tf.Variable], step: int | None) -> int:
    """Fills the variables from a checkpoint (default: the newest); returns its step.

    Raises:
      UserError: there is no such checkpoint, or it is damaged.
    """
    found = steps(model_dir)
    if not found or step not in (None, *found):
        raise UserError(f"{model_dir} has no checkpoint {step or ''}; it has {found}")
    path = prefix(model_dir, found[-1] if step is None else step)
    with tf1_format.reading(path):
        return load(path, variables)


def open_run(
    model_dir: str,
    data_dir: str,
    config: PretrainingConfig,
    data: dict[str, Any],
    init_from: dict[str, Any] | None = None,
) -> None:
    """Writes a new run's config, vocabulary and samples, or checks an old run's.

    Args:
      init_from: which weights a new run begins from; None: random ones.

    Raises:
      UserError: the folder holds something else, or a run of another config or data.
    """
    held = [name for name in files.listdir(model_dir) if not name.endswith(".tmp")]
    if (before := read_description(model_dir)) is not None:
        check_same_run(model_dir, config, data)
        init_from = before.get("init_from")
    elif held:
        raise UserError(
            f"--model_dir={model_dir} is not empty and no run of this program: it "
            f"holds {held[0]!r}. Name another folder, or say --overwrite to remove "
            "what is there"
        )
    files.makedirs(model_dir)
    # The config first: a folder that a kill left half made is then known for a run.
    described = _describe(config, data) | {"init_from": init_from}
    files.write_json(os.path.join(model_dir, CONFIG_FILE), described)
    for name in (vocabulary.VOCAB_FILE, vocabulary.TOKENIZER_FILE, SAMPLES_FILE):
        text = files.read_text(os.path.join(data_dir, "tfrecords", name))
        files.write_text(os.path.join(model_dir, name), text)


def read_description(model_dir: str) -> dict[str, Any] | None:
    """A run's config.json; None if there is none, or another program's."""
    path = os.path.join(model_dir, CONFIG_FILE)
    if not files.exists(path):
        return None
    try:
        found = files.read_json(path)
        return found if isinstance(found["config"] | found["data"], dict) else None
    except (ValueError, KeyError, TypeError):
        return None


def _describe(config: PretrainingConfig, data: dict[str, Any]) -> dict[str, Any]:
    names = ("vocab_size", "vocab_sha256", "recipe", "recipe_hash", "seed", "counts")
    described = {name: data[name] for name in names}
    if "corpus" in data:  # records of earlier versions say nothing of it
        described["corpus"] = data["corpus"]
    return {"config": config.to_dict(), "data": described}


def check_same_run(
    model_dir: str, config: PretrainingConfig, data: dict[str, Any]
) -> None:
    """Refuses to go on with a run of another config or data.

    Raises:
      UserError: names what differs.
    """
    before, changes = read_description(model_dir), []
    for part, values in _describe(config, data).items():
        for name, value in values.items():
            if before[part].get(name) == value:
                continue
            change = f"{name}: {before[part].get(name)!r} there, {value!r} now"
            if part == "config" and name in _MAY_CHANGE:
                logging.info("the run goes on with another %s", change)
            else:
                changes.append(change)
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
    found = read_description(model_dir)
    if found is None:
        raise UserError(
            f"{path} is not there, or not as run_pretraining writes it: name a run's "
            "folder"
        )
    return config_lib.from_dict(found["config"], path), found["data"]
