"""Fused functions and their gradients against TensorFlow's own."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from electra_tf.model import compiled_ops as fused_lib
from electra_tf.model.compiled_ops import affine, cross_entropy, fused, plain_operations


@pytest.fixture(autouse=True, params=["by XLA", "no compiler"])
def by_xla(request, monkeypatch) -> bool:
    """Every test on both paths: compiled, and as TensorFlow's build for TPUs has it."""
    if request.param == "no compiler":
        monkeypatch.setattr(fused_lib, "has_compiler", lambda: False)
    elif not fused_lib.has_compiler():
        pytest.skip("XLA has no compiler for CPUs in this build of TensorFlow")
    return request.param == "by XLA"


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


@pytest.mark.parametrize(
    "shapes, product",
    [
        (([6, 4], [4, 3], [3]), "bi,io->bo"),
        (([2, 6, 4], [4, 3], [3]), "bli,io->blo"),
        (([2, 6, 4], [4, 3, 5], [3, 5]), "bli,ino->blno"),
        (([2, 6, 4, 3], [4, 3, 5], [5]), "blni,nio->blo"),
    ],
)
def test_affine(shapes, product):
    args = [normal(*shape) for shape in shapes]
    theirs = value_and_gradients(lambda x, w, b: tf.einsum(product, x, w) + b, *args)
    assert_same(value_and_gradients(affine, *args), theirs)


def test_affine_adds_up_a_bfloat16_bias_gradient_in_float32(bfloat16):
    # Added up in bfloat16, 4,096 ones would stop at 256.
    x, kernel, bias = (tf.cast(normal(*n), bfloat16) for n in ([4096, 2], [2, 3], [3]))
    with tf.GradientTape() as tape:
        tape.watch(bias)
        y = affine(x, kernel, bias)
    gradient = tf.cast(tape.gradient(y, bias), tf.float32)
    np.testing.assert_allclose(gradient, [4096.0] * 3, rtol=0.01)


def compiled_functions(function: Callable, *args: tf.Tensor) -> int:
    graph = tf.function(function).get_concrete_function(*args).graph
    functions = graph.as_graph_def().library.function
    return sum(f.attr["_XlaMustCompile"].b for f in functions)


def test_xla_is_asked_only_where_it_can_compile_and_may(by_xla):
    def tanh_and_gradient(x):
        y = fused(tf.tanh)(x)
        return y, tf.gradients(y, x)

    x = normal(3)
    assert compiled_functions(tanh_and_gradient, x) == (2 if by_xla else 0)
    with plain_operations():
        assert compiled_functions(tanh_and_gradient, x) == 0


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
