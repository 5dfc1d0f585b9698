"""The layers' formulas and gradients against float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from electra_tf.model.layers import Dense, Initializer, LayerNorm, gelu


def test_layer_norm_against_float64():
    rng = np.random.RandomState(0)
    x = rng.standard_normal([4, 7, 24]) * 3 + 1
    beta, gamma = rng.standard_normal([2, 24])
    layer = LayerNorm("x", 24, Initializer(0.02, 0))
    layer.beta.assign(beta)
    layer.gamma.assign(gamma)
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    ours = layer(tf.constant(x, tf.float32))
    np.testing.assert_allclose(ours, centred / scale * gamma + beta, atol=1e-5)


def test_gelu_is_the_erf_form():
    x = np.linspace(-6, 6, 241)
    expected = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x]
    ours = gelu(tf.constant(x, tf.float32)).numpy()
    # the tanh approximation is off by 5e-4
    np.testing.assert_allclose(ours, expected, atol=2e-6)


def test_start_values_are_truncated_normal_and_named():
    init = Initializer(0.02, seed=1)
    first = init.normal("a/kernel", [200, 50]).numpy()
    assert abs(first.mean()) < 1e-3
    # the standard deviation of a normal cut at two of its own
    assert abs(first.std() / (0.02 * 0.8796) - 1) < 0.03
    assert np.abs(first).max() <= 0.04
    assert np.array_equal(first, init.normal("a/kernel", [200, 50]))
    assert not np.allclose(first, init.normal("b/kernel", [200, 50]))
    assert not np.allclose(first, Initializer(0.02, 2).normal("a/kernel", [200, 50]))


def differences(function, x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """sum(upstream * function(x)) differentiated by x, numerically."""
    found, step = np.zeros_like(x), 1e-6
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        found[index] = ((function(up) - function(down)) * upstream).sum() / (2 * step)
    return found


def gradients(function, upstream: np.ndarray, *args: np.ndarray) -> list[np.ndarray]:
    tensors = [tf.constant(x, tf.float32) for x in args]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    upstream = tf.constant(upstream, tf.float32)
    return [g.numpy() for g in tape.gradient(y, tensors, output_gradients=upstream)]


def test_gradient_of_gelu():
    rng = np.random.RandomState(1)
    x, upstream = rng.standard_normal([2, 40]) * 2

    def exact(values):
        return np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in values])

    (ours,) = gradients(gelu, upstream, x)
    np.testing.assert_allclose(ours, differences(exact, x, upstream), atol=2e-6)


def test_gradients_of_layer_norm():
    rng = np.random.RandomState(2)
    x, upstream = rng.standard_normal([2, 5, 12]) * 2 + 0.5
    gamma, beta = rng.standard_normal([2, 12])
    layer = LayerNorm("x", 12, Initializer(0.02, 0))

    def exact(x, gamma, beta):
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred**2).mean(-1, keepdims=True)
        return centred / np.sqrt(variance + 1e-12) * gamma + beta

    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    with tf.GradientTape() as tape:
        given = tf.constant(x, tf.float32)
        tape.watch(given)
        y = layer(given)
    wanted = [given, layer.gamma, layer.beta]
    ours = tape.gradient(y, wanted, output_gradients=tf.constant(upstream, tf.float32))
    theirs = (
        differences(lambda v: exact(v, gamma, beta), x, upstream),
        differences(lambda v: exact(x, v, beta), gamma, upstream),
        differences(lambda v: exact(x, gamma, v), beta, upstream),
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("mean", [0.0, 37.0, 300.0, -3000.0])
def test_layer_norm_of_what_is_far_from_zero(mean):
    x = np.random.RandomState(3).standard_normal([6, 256]) + mean
    x = x.astype(np.float32).astype(np.float64)
    layer = LayerNorm("x", 256, Initializer(0.02, 0))
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    np.testing.assert_allclose(layer(tf.constant(x, tf.float32)), expected, atol=1e-5)


@pytest.mark.parametrize("mean", [0.0, 37.0, 100.0])
def test_layer_norm_of_bfloat16_loses_no_more_than_rounding(mean):
    x = np.random.RandomState(3).standard_normal([6, 768]) + mean
    rounded = tf.cast(x, tf.bfloat16)
    x = rounded.numpy().astype(np.float64)
    layer = LayerNorm("x", 768, Initializer(0.02, 0))
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    ours = layer(rounded).numpy().astype(np.float64)
    np.testing.assert_allclose(ours, expected, rtol=2**-8, atol=2**-9)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
@pytest.mark.parametrize("value", [0.0, 0.1, -777.7, 1e-20, 1e19])
def test_layer_norm_of_a_constant_row_is_beta(value, dtype):
    layer = LayerNorm("x", 100, Initializer(0.02, 0))
    layer.beta.assign(np.arange(100))
    ours = layer(tf.fill([3, 100], tf.constant(value, dtype)))
    ours = tf.cast(ours, tf.float32).numpy()
    np.testing.assert_allclose(ours, [np.arange(100)] * 3, atol=1e-5)


def test_dense_splits_and_joins_axes():
    dense = Dense("x", 6, 12, Initializer(0.02, 0))
    x = np.random.RandomState(4).standard_normal([2, 3, 6])
    expected = x @ dense.kernel.numpy()
    np.testing.assert_allclose(
        dense(tf.constant(x, tf.float32), (3, 4)),
        expected.reshape([2, 3, 3, 4]),
        atol=1e-6,
    )
    joined = dense(tf.constant(x.reshape([2, 3, 2, 3]), tf.float32), in_axes=2)
    np.testing.assert_allclose(joined, expected, atol=1e-6)
