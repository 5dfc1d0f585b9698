"""What an encoder sees, its dropout, and its two formulas."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tiny

from electra_tf.dropout import RandomStream, dropout
from electra_tf.layers import Initializer, LayerNorm, gelu

KINDS = ("discriminator_logits", "generator_logits")


def stream(*seed: int) -> RandomStream:
    return RandomStream(tf.constant(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_change_real_positions(model, kind):
    inputs = tiny.inputs([9, 12], 12)
    padded = [tf.pad(values, [[0, 0], [0, 4]]) for values in inputs]
    # what stands in the padding must not matter either
    padded[0] += 17 * (1 - padded[1])
    logits = getattr(model, kind)
    real = inputs.input_mask.numpy() == 1
    short, long = logits(*inputs).numpy(), logits(*padded).numpy()[:, :12]
    assert np.abs(short[real]).mean() > 0.1, "logits too small to tell"
    np.testing.assert_allclose(long[real], short[real], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_position_sees_every_real_token_and_no_padding(model, kind):
    length, real = 8, 6
    row = tiny.inputs([real], length)
    rows = [tf.repeat(values, length + 1, axis=0) for values in row]
    # row i has another token at position i; the last row is as it was
    change = np.zeros([length + 1, length], np.int32)
    change[:length] = 11 * np.eye(length)
    rows[0] = (rows[0] + change) % tiny.VOCAB_SIZE
    logits = getattr(model, kind)(*rows).numpy()
    moved = np.abs(logits[:length] - logits[length]).reshape([length, length, -1])
    moved = moved.max(-1)[:, :real]
    assert (moved[:real] > 1e-4).all()
    assert moved[real:].max() < 1e-5


def test_without_randomness_there_is_no_dropout(model):
    inputs = tiny.inputs([16, 7])
    first = model.discriminator_logits(*inputs)
    assert np.array_equal(first, model.discriminator_logits(*inputs, random=None))
    assert not np.allclose(first, model.discriminator_logits(*inputs, stream(1, 2)))


def test_seed_decides_the_dropout(model):
    inputs = tiny.inputs([16, 7])
    first, again, other = (
        model.discriminator_logits(*inputs, random=stream(*seed))
        for seed in ((1, 2), (1, 2), (2, 2))
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean(rate):
    size = 300
    values = dropout(tf.fill([size, size], 2.0), rate, stream(3, 4)).numpy()
    kept = values != 0
    np.testing.assert_allclose(values[kept], 2 / (1 - rate), rtol=1e-5)
    spread = math.sqrt(rate * (1 - rate)) / size
    assert abs(kept.mean() - (1 - rate)) < 3 * spread
    assert abs(values.mean() - 2.0) < 3 * 2 * spread / (1 - rate)


def test_dropout_of_rate_0_is_the_identity():
    x = tf.random.stateless_normal([5, 5], [1, 1])
    assert np.array_equal(dropout(x, 0.0, stream(1, 1)), x)


def test_each_dropout_of_a_pass_draws_its_own_numbers():
    random = stream(5, 6)
    x = tf.ones([100, 100])
    first, second = (dropout(x, 0.5, random).numpy() != 0 for _ in range(2))
    assert abs((first == second).mean() - 0.5) < 0.02


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
