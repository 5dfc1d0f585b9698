"""Static shapes, which XLA needs on TPUs."""

import tensorflow as tf


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """The shape, with integers for all sizes known when the graph is traced."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]
