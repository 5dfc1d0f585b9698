"""Chains of elementwise operations compiled into one pass over memory.

TensorFlow runs each operation of such a chain on its own, and most of its time goes
into reading and writing what lies between. XLA makes one loop of them. Matrix products
stay outside: on CPUs oneDNN's are faster than XLA's. On a TPU, where XLA compiles the
whole step, this changes what the backward pass keeps and nothing else.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

import tensorflow as tf

_is_plain = contextvars.ContextVar("is_plain", default=False)


@contextlib.contextmanager
def plain_operations() -> Iterator[None]:
    """Graphs traced within hold neither compiled functions nor gradients of our own.

    TensorFlow Serving has XLA switched off on CPUs, and no use for gradients.
    """
    token = _is_plain.set(True)
    try:
        yield
    finally:
        _is_plain.reset(token)


def fused(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Compiles a function of tensors, and its gradient, which keeps the arguments only.

    What the function computes on its way is computed again in the backward pass: that
    is cheaper than keeping it.

    Args:
      function: of tensors, to one tensor; only floats among them get a gradient.
    """
    forward = tf.function(function, jit_compile=True)

    def differentiate(args: list[tf.Tensor], upstream: tf.Tensor) -> list:
        floats = [x for x in args if x.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            y = function(*args)
        found = iter(tape.gradient(y, floats, output_gradients=upstream))
        return [next(found) if x.dtype.is_floating else None for x in args]

    backward = tf.function(differentiate, jit_compile=True)

    @tf.custom_gradient
    def call(*args: tf.Tensor):
        return forward(*args), lambda upstream: backward(list(args), upstream)

    def fused_or_plain(*args: tf.Tensor) -> tf.Tensor:
        # A variable is read first: what is differentiated is a function of its value.
        tensors = map(tf.convert_to_tensor, args)
        return function(*tensors) if _is_plain.get() else call(*tensors)

    return fused_or_plain


@tf.function(jit_compile=True)
def column_sum(x: tf.Tensor) -> tf.Tensor:
    """[N, M] -> [M], added up in float32 and rounded to the dtype of `x`."""
    return tf.cast(tf.reduce_sum(tf.cast(x, tf.float32), 0), x.dtype)


def affine(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """x W + b: [N, in] -> [N, out]."""
    return (_product if _is_plain.get() else _affine)(x, kernel, bias)


def _product(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


@tf.custom_gradient
def _affine(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor):

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # TensorFlow's own gradient of a bias is five times as slow on CPUs.
        return (
            tf.matmul(upstream, kernel, transpose_b=True),
            tf.matmul(x, upstream, transpose_a=True),
            column_sum(upstream),
        )

    return _product(x, kernel, bias), gradient


@tf.custom_gradient
def cross_entropy(logits: tf.Tensor, labels: tf.Tensor):
    """-log softmax(logits)[label]: float32 [..., V], int32 [...] -> [...].

    Keeps logits, not probabilities, for the backward pass.
    """
    largest = tf.reduce_max(logits, -1)
    log_sum = _log_sum_exp(logits, largest)
    at_label = tf.gather(logits, labels, batch_dims=len(labels.shape))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _cross_entropy_gradient(logits, labels, log_sum, upstream), None

    return log_sum - at_label, gradient


@tf.function(jit_compile=True)
def _log_sum_exp(logits: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
    sums = tf.reduce_sum(tf.exp(logits - largest[..., None]), -1)
    return largest + tf.math.log(sums)


@tf.function(jit_compile=True)
def _cross_entropy_gradient(logits, labels, log_sum, upstream) -> tf.Tensor:
    is_label = tf.range(tf.shape(logits)[-1]) == labels[..., None]
    probs = tf.exp(logits - log_sum[..., None])
    return upstream[..., None] * (probs - tf.cast(is_label, tf.float32))
