"""Dropout, and the stream of random numbers of one pass through the networks."""

import tensorflow as tf

from electra_tf.model.compiled_ops import fused, shape_of

# Each element's decision takes 16 random bits.
_DRAWS = 65_536


class RandomStream:
    """Seeds for one pass through the networks: each call site takes the next one.

    Tracing fixes the order of calls, so the same base seed draws the same numbers, also
    after a run resumes.
    """

    def __init__(self, seed: tf.Tensor):
        """seed: int32 [2]."""
        self._seed = seed
        self._count = 0

    @property
    def seed(self) -> tf.Tensor:
        """int32 [2]: a stream made from it continues this one."""
        return self._seed + tf.constant([0, self._count])

    def next(self) -> tf.Tensor:
        # Stateless generators hash their seed: neighbours give unrelated streams.
        self._count += 1
        return self.seed


def dropout(x: tf.Tensor, rate: float, random: RandomStream | None) -> tf.Tensor:
    """Zeroes a share of `x` and scales up the rest; the identity without randomness."""
    drawn = draws(shape_of(x), rate, random)
    return _drop(x, *drawn) if drawn else x


def draws(
    shape: list[int | tf.Tensor], rate: float, random: RandomStream | None
) -> tuple[()] | tuple[tf.Tensor, tf.Tensor]:
    """Bits and threshold for `is_kept`; none if nothing is dropped."""
    if random is None or rate == 0.0:
        return ()
    return random_bits(shape, random), threshold(rate)


def threshold(rate: float) -> tf.Tensor:
    """uint32 []: how many of the 65,536 equally likely draws drop an element."""
    return tf.constant(round(rate * _DRAWS), tf.uint32)


def random_bits(shape: list[int | tf.Tensor], random: RandomStream) -> tf.Tensor:
    """Random uint32s for `is_kept`: 16 bits for each element of this shape."""
    first, *rest = shape
    halves = [(first + 1) // 2, *rest]
    return tf.random.stateless_uniform(halves, random.next(), None, None, tf.uint32)


def is_kept(
    shape: list[int | tf.Tensor], bits: tf.Tensor, threshold: tf.Tensor
) -> tf.Tensor:
    """bool, of this shape: which elements stay.

    The lower halves of `bits` decide for the first half of the rows, the upper halves
    for the second: drawing random numbers is the main cost of dropout.
    """
    # With a threshold that is a multiple of 2^16, only the upper 16 bits matter.
    shifts = tf.reshape(tf.constant([16, 0], tf.uint32), [2] + [1] * len(shape))
    draws = tf.bitwise.left_shift(bits[None], shifts)
    draws = tf.reshape(draws, [-1, *shape[1:]])[: shape[0]]
    return draws >= threshold * _DRAWS


def scale(threshold: tf.Tensor) -> tf.Tensor:
    """float32 []: 1 / the share kept; of a rate of 0.1, 0.100006 is dropped."""
    return _DRAWS / (_DRAWS - tf.cast(threshold, tf.float32))


def dropped(x: tf.Tensor, bits: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """`x` with some elements zeroed and the others scaled up."""
    y = tf.cast(x, tf.float32) * scale(threshold)
    return tf.cast(tf.where(is_kept(shape_of(x), bits, threshold), y, 0.0), x.dtype)


_drop = fused(dropped)
