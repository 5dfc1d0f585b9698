"""Shapes as XLA wants them: integers wherever they are known."""

import tensorflow as tf


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """The shape, with integers wherever they are known (TPUs want static shapes)."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]
