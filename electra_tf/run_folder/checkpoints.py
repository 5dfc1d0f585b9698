"""Checkpoints in the original's own format: TF1, by the names of variables."""

import os
import re
from collections.abc import Collection

import numpy as np
import tensorflow as tf
from absl import logging

from common import files
from common.errors import UserError
from electra_tf.run_folder import tf1_format

_INDEX = re.compile(r"^model\.ckpt-(\d+)\.index$")
_PART = re.compile(r"^model\.ckpt-(\d+)\.")
# Damaged checkpoints get this prefix, so that they are neither read nor counted.
_DAMAGED = "damaged-"


def steps(model_dir: str) -> list[int]:
    """Steps of the complete checkpoints, ascending: the index is written last."""
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
    """Writes a checkpoint, then removes the oldest beyond `keep_max` (0 keeps all).

    Those at multiples of `keep_every_n_steps` stay and are not counted. TensorFlow
    writes to temporary names, and the index last: a save that is killed or fails leaves
    earlier checkpoints as they were.
    """
    try:
        add(model_dir, step, variables)
        every, present = keep_every_n_steps, steps(model_dir)
        milestones = {s for s in present if every and s % every == 0}
        newest = [s for s in present if s not in milestones]
        _remove_all_but(model_dir, milestones | set(newest[-keep_max:]))
        write_state(model_dir)
    except (OSError, tf.errors.OpError):
        _remove_all_but(model_dir, set(steps(model_dir)))
        raise


def add(
    model_dir: str,
    step: int,
    variables: dict[str, tf.Variable] | dict[str, tf.Tensor],
) -> None:
    """Writes a checkpoint and leaves all else, what looks half-written too."""
    values = {**variables, tf1_format.GLOBAL_STEP: np.int64(step)}
    tf1_format.write(prefix(model_dir, step), values)


def _remove_all_but(model_dir: str, kept: set[int]) -> None:
    """Removes other checkpoints, and files that killed saves left behind."""
    for name in files.listdir(model_dir):
        part = _PART.match(name)
        if part and (int(part[1]) not in kept or ".tempstate" in name):
            files.remove(os.path.join(model_dir, name))


def write_state(model_dir: str) -> None:
    """Writes the file `checkpoint`, where TensorFlow's tools look up the newest one."""
    names = [f'"model.ckpt-{step}"' for step in steps(model_dir)]
    lines = [f"model_checkpoint_path: {names[-1]}"]
    lines += [f"all_model_checkpoint_paths: {name}" for name in names]
    files.write_text(os.path.join(model_dir, "checkpoint"), "\n".join(lines) + "\n")


def restore_or_initialise(model_dir: str, variables: dict[str, tf.Variable]) -> int:
    """Resumes from the newest readable checkpoint; without one, starts at step 0.

    A damaged checkpoint is reported and the one before it is used.
    """
    present = steps(model_dir)
    for step in reversed(present):
        path = prefix(model_dir, step)
        try:
            tf1_format.fill(path, variables)
            logging.info("resuming from %s", path)
            return step
        except tf1_format.UNREACHABLE:
            raise
        except tf1_format.UNREADABLE as error:
            logging.error("%s cannot be read (%s), trying the one before", path, error)
    if present:
        raise UserError(
            f"none of the {len(present)} checkpoints in {model_dir} can be read: name "
            "another --model_dir to begin a new run"
        )
    return 0


def set_aside(model_dir: str, damaged: Collection[int]) -> None:
    """Renames the checkpoints of these steps, which cannot be read.

    Else they would push good ones out of the `keep_checkpoint_max` newest.
    """
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
    step = find(model_dir, step)
    with tf1_format.reading(prefix(model_dir, step)):
        tf1_format.fill(prefix(model_dir, step), variables)
    return step


def fresh_start(model_dir: str) -> str:
    """What to do after weights became unusable: the same command would fail again."""
    change = "with a lower learning_rate or a longer warm-up"
    if not (present := steps(model_dir)):
        return (
            f"No checkpoint was saved before: begin again {change}, in another "
            "--model_dir or with --overwrite"
        )
    return (
        f"The same command would fail again: begin a new run {change}, in another "
        "--model_dir, from the weights of the last checkpoint: "
        f"--init_from={model_dir} --init_step={present[-1]}"
    )


def find(model_dir: str, step: int | None) -> int:
    """The step asked for, or that of the newest checkpoint.

    Raises:
      UserError: there is no such checkpoint.
    """
    present = steps(model_dir)
    if not present or step not in (None, *present):
        raise UserError(f"{model_dir} has no checkpoint {step or ''}; it has {present}")
    return present[-1] if step is None else step
