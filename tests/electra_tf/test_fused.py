"""Fused functions and their gradients against TensorFlow's own."""

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from electra_tf.fused import (
    affine,
    cross_entropy,
    fused,
    has_compiler,
    plain_operations,
)


@pytest.fixture(autouse=True, params=["by XLA", "plain"])
def by_xla(request) -> Iterator[bool]:
    """Every test on both paths: compiled, and plain as TensorFlow's build for TPUs."""
    if request.param == "plain":
        with plain_operations():
            yield False
    elif has_compiler():
        yield True
    else:
        pytest.skip("XLA has no compiler for CPUs in this build of TensorFlow")


def normal(*shape: int) -> tf.Tensor:
    rng = np.random.RandomState(sum(shape))
    return tf.constant(rng.standard_normal(shape), tf.float32)


def value_and_gradients(function, *args: tf.Tensor) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch(args)
        y = function(*args)
    upstream = normal(*y.shape)
    gradients = tape.gradient(y, args, output_gradients=upstream)
    return [x.numpy() for x in (y, *gradients)]


def assert_same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_fused_is_the_function_and_has_its_gradient():
    def plain(x, y):
        return tf.tanh(x * y) + tf.exp(y)

    args = normal(5, 7), normal(7)
    ours = value_and_gradients(fused(plain), *args)
    assert_same(ours, value_and_gradients(plain, *args))


def test_fused_takes_integers_and_variables():
    double = fused(lambda x, times: x * tf.cast(times, x.dtype))
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = double(x, tf.constant(3, tf.uint32))
    assert y.numpy().tolist() == [3.0, 6.0]
    assert tape.gradient(y, x).numpy().tolist() == [3.0, 3.0]


def test_the_graph_asks_for_xla_only_where_it_may(by_xla):
    gradient = tf.function(lambda x: tf.gradients(fused(tf.tanh)(x), x))
    graph = gradient.get_concrete_function(normal(3)).graph.as_graph_def()
    asks = [f.attr["_XlaMustCompile"].b for f in graph.library.function]
    assert sum(asks) == (2 if by_xla else 0)  # forward and backward


def test_affine():
    args = normal(6, 4), normal(4, 3), normal(3)
    theirs = value_and_gradients(lambda x, w, b: x @ w + b, *args)
    assert_same(value_and_gradients(affine, *args), theirs)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("shape", [[9, 50], [3, 4, 50]])
def test_cross_entropy(shape, scale):
    logits = scale * normal(*shape)
    labels = tf.constant(np.random.RandomState(0).randint(0, 50, shape[:-1]))
    labels = tf.cast(labels, tf.int32)

    def theirs(x):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x)

    ours = value_and_gradients(lambda x: cross_entropy(x, labels), logits)
    expected = value_and_gradients(theirs, logits)
    np.testing.assert_allclose(ours[0], expected[0], rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(ours[1], expected[1], atol=1e-5 * scale)
