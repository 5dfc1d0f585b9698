"""Chains of elementwise operations compiled into one pass over memory.

TensorFlow runs each operation of such a chain separately and spends most of the time
reading and writing intermediate values; XLA makes one loop of them. Matrix products
stay outside: on CPUs oneDNN's are faster than XLA's. On TPUs XLA compiles the whole
step; TensorFlow's build for TPUs has no compiler for CPUs, and nothing here needs it.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator

import tensorflow as tf

_is_plain = contextvars.ContextVar("is_plain", default=False)


@contextlib.contextmanager
def plain_operations() -> Iterator[None]:
    """Graphs traced inside contain no compiled functions.

    TensorFlow Serving disables XLA on CPUs.
    """
    token = _is_plain.set(True)
    try:
        yield
    finally:
        _is_plain.reset(token)


@functools.cache
def has_compiler() -> bool:
    """Whether XLA can compile for this machine's CPU."""
    with tf.init_scope(), tf.device("/cpu:0"):
        try:
            tf.function(tf.negative, jit_compile=True)(tf.constant(1))
        except tf.errors.OpError:
            return False
    return True


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """Integers for all sizes known when the graph is traced, as XLA needs on TPUs."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]


def compiled(function: Callable) -> Callable:
    """Compiles a function of tensors with XLA where a compiler is available."""
    by_xla = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args):
        plain = _is_plain.get() or not has_compiler()
        return function(*args) if plain else by_xla(*args)

    return call


def fused(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Compiles a function and its gradient, which keeps only the arguments.

    The backward pass computes intermediate values again: cheaper than storing them.

    Args:
      function: of tensors, to one tensor; only float arguments get a gradient.
    """
    forward = compiled(function)

    @compiled
    def backward(args: list[tf.Tensor], upstream: tf.Tensor) -> list:
        floats = [x for x in args if x.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            y = function(*args)
        gradients = iter(tape.gradient(y, floats, output_gradients=upstream))
        return [next(gradients) if x.dtype.is_floating else None for x in args]

    @tf.custom_gradient
    def call(*args: tf.Tensor):
        return forward(*args), lambda upstream: backward(list(args), upstream)

    # Variables are read first: custom_gradient then differentiates by their values.
    return lambda *args: call(*map(tf.convert_to_tensor, args))


@tf.custom_gradient
def affine(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor):
    """x W + b over several axes at once: [..., *in] -> [..., *out].

    Merging axes before the product would make TPUs transpose the arrays: in attention
    they keep the sequence innermost, a layout that no merged array has.

    Args:
      kernel: [*in, *out].
      bias: [*out].
    """
    rank_in, rank_out = len(kernel.shape) - len(bias.shape), len(bias.shape)
    lead = "abcd"[: len(x.shape) - rank_in]
    inner, outer = "ijkl"[:rank_in], "opqr"[:rank_out]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return (
            tf.einsum(f"{lead}{outer},{inner}{outer}->{lead}{inner}", upstream, kernel),
            tf.einsum(f"{lead}{inner},{lead}{outer}->{inner}{outer}", x, upstream),
            _sum_over(upstream, len(lead)),
        )

    y = tf.einsum(f"{lead}{inner},{inner}{outer}->{lead}{outer}", x, kernel)
    return y + bias, gradient


def _sum_over(x: tf.Tensor, num_axes: int) -> tf.Tensor:
    """Sums the first axes in float32.

    On CPUs by a product with ones: TensorFlow's sum takes up to 8 times as long, XLA's
    sum of bfloat16 16 times. A TPU adds up while it computes `x`.
    """
    if not has_compiler():
        total = tf.reduce_sum(tf.cast(x, tf.float32), list(range(num_axes)))
        return tf.cast(total, x.dtype)
    rows = tf.reshape(x, [-1, math.prod(x.shape[num_axes:])])
    ones = tf.ones([1, tf.shape(rows)[0]], x.dtype)
    return tf.reshape(ones @ rows, x.shape[num_axes:])


@tf.custom_gradient
def cross_entropy(logits: tf.Tensor, labels: tf.Tensor):
    """-log softmax(logits)[label]: float32 [..., V], int32 [...] -> [...].

    The backward pass keeps the logits, not the probabilities.
    """
    largest = tf.reduce_max(logits, -1)
    log_sum = _log_sum_exp(logits, largest)
    at_label = tf.gather(logits, labels, batch_dims=len(labels.shape))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _cross_entropy_gradient(logits, labels, log_sum, upstream), None

    return log_sum - at_label, gradient


@compiled
def _log_sum_exp(logits: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
    sums = tf.reduce_sum(tf.exp(logits - largest[..., None]), -1)
    return largest + tf.math.log(sums)


@compiled
def _cross_entropy_gradient(logits, labels, log_sum, upstream) -> tf.Tensor:
    is_label = tf.range(tf.shape(logits)[-1]) == labels[..., None]
    probs = tf.exp(logits - log_sum[..., None])
    return upstream[..., None] * (probs - tf.cast(is_label, tf.float32))
