"""Dropout, and the one order in which a pass draws its random numbers."""

import tensorflow as tf

from electra_tf.model.compiled_ops import fused
from electra_tf.model.shapes import shape_of

# Each dropout's decision takes 16 random bits.
_DRAWS = 65_536


class RandomStream:
    """Seeds for one pass through the networks: each call site takes the next one.

    The order of calls is fixed when the graph is traced, so the same base seed draws
    the same numbers, step after resumed step.
    """

    def __init__(self, seed: tf.Tensor):
        """seed: int32 [2]."""
        self._seed = seed
        self._count = 0

    @property
    def seed(self) -> tf.Tensor:
        """int32 [2]: a stream made of it draws what this one has yet to draw."""
        return self._seed + tf.constant([0, self._count])

    def next(self) -> tf.Tensor:
        # Stateless generators hash their seed: neighbours give unrelated streams.
        self._count += 1
        return self.seed


def dropout(x: tf.Tensor, rate: float, random: RandomStream | None) -> tf.Tensor:
    """Zeroes a share of `x` and scales up the rest; the identity without randomness."""
    if random is None or rate == 0.0:
        return x
    return _drop(x, random_bits(shape_of(x), random), threshold(rate))


def threshold(rate: float) -> tf.Tensor:
    """uint32 []: how many of 65,536 equally likely draws drop an element."""
    return tf.constant(round(rate * _DRAWS), tf.uint32)


def random_bits(shape: list[int | tf.Tensor], random: RandomStream) -> tf.Tensor:
    """Randomness for `is_kept`: uint32, 16 bits for each element of this shape."""
    first, *rest = shape
    halves = [(first + 1) // 2, *rest]
    return tf.random.stateless_uniform(halves, random.next(), None, None, tf.uint32)


def is_kept(
    shape: list[int | tf.Tensor], bits: tf.Tensor, threshold: tf.Tensor
) -> tf.Tensor:
    """bool, of this shape: which elements stay.

    The lower halves of `bits` decide about the first half of the rows, the upper ones
    about the second: drawing numbers is what dropout costs.
    """
    # Shifted to the top, 16 bits compare as the whole number they are part of: what
    # lies below them does not count.
    shifts = tf.reshape(tf.constant([16, 0], tf.uint32), [2] + [1] * len(shape))
    draws = tf.bitwise.left_shift(bits[None], shifts)
    draws = tf.reshape(draws, [-1, *shape[1:]])[: shape[0]]
    return draws >= threshold * _DRAWS


def scale(threshold: tf.Tensor) -> tf.Tensor:
    """float32 []: makes up for what is dropped, 0.100006 of all for a rate of 0.1."""
    return _DRAWS / (_DRAWS - tf.cast(threshold, tf.float32))


def dropped(x: tf.Tensor, bits: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """`x` with some elements zeroed and the others scaled up."""
    y = tf.cast(x, tf.float32) * scale(threshold)
    return tf.cast(tf.where(is_kept(shape_of(x), bits, threshold), y, 0.0), x.dtype)


_drop = fused(dropped)
