"""Files of TF1 name-based checkpoints, the format of the original.

A checkpoint is named by its prefix: PREFIX.index and PREFIX.data-00000-of-00001.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common.errors import UserError

GLOBAL_STEP = "global_step"
# What TensorFlow raises for a missing, cut or altered checkpoint file.
UNREADABLE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)
# Errors that do not mean a bad file: the storage is out of reach.
UNREACHABLE = (
    tf.errors.DeadlineExceededError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnauthenticatedError,
    tf.errors.UnavailableError,
)


def write(prefix: str, values: Mapping[str, Any]) -> None:
    """Writes tensors by name, to temporary names first and the index last."""
    names = sorted(values)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.convert_to_tensor(values[name]) for name in names],
    )


def shapes(prefix: str) -> dict[str, list[int]]:
    """Shapes of all tensors in a checkpoint, by name."""
    return tf.train.load_checkpoint(prefix).get_variable_to_shape_map()


def read_step(prefix: str) -> int:
    reader = tf.train.load_checkpoint(prefix)
    return int(np.asarray(reader.get_tensor(GLOBAL_STEP)))


def fill(prefix: str, variables: dict[str, tf.Variable]) -> None:
    """Reads the variables' values.

    Raises:
      UserError: a variable is missing, or has another shape.
    """
    reader = tf.train.load_checkpoint(prefix)
    check_shapes(variables, prefix, reader.get_variable_to_shape_map())
    for name, variable in variables.items():
        variable.assign(reader.get_tensor(name))


def check_shapes(
    variables: dict[str, tf.Variable], path: str, shapes: Mapping[str, Sequence[int]]
) -> None:
    """Compares variables with the shapes, by name, of the tensors at a path.

    Raises:
      UserError: names the first variable that has no tensor of its shape.
    """
    for name, variable in variables.items():
        shape, wanted = shapes.get(name), variable.shape.as_list()
        if shape is None or list(shape) != wanted:
            state = "is missing" if shape is None else f"has shape {list(shape)}"
            raise UserError(f"{path}: {name} {state}, the config says {wanted}")


@contextlib.contextmanager
def reading(prefix: str) -> Iterator[None]:
    """Turns TensorFlow's errors about a bad file into a UserError.

    Raises:
      UserError: the checkpoint is missing or damaged.
    """
    try:
        yield
    except UNREACHABLE:
        raise
    except UNREADABLE as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"checkpoint {prefix} cannot be read: {reason}. It consists of "
            f"{prefix}.index and {prefix}.data-*: name it without these endings, or "
            "copy both again"
        ) from error
