"""Which elements dropout takes away, and how many."""

import math

import numpy as np
import pytest
import tensorflow as tf

from electra_tf.model.dropout import (
    RandomStream,
    dropout,
    is_kept,
    random_bits,
    threshold,
)


def stream(*seed: int) -> RandomStream:
    return RandomStream(tf.constant(seed))


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


def test_a_stream_of_another_ones_seed_draws_what_is_left():
    first = stream(5, 6)
    first.next()
    second = RandomStream(first.seed)
    for _ in range(2):
        assert first.next().numpy().tolist() == second.next().numpy().tolist()


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_each_element_has_16_bits_of_its_own(rows):
    bits = random_bits([rows, 5], stream(1, 1)).numpy()
    halves = np.stack([bits & 0xFFFF, bits >> 16]).reshape(-1, 5)[:rows]
    for limit in (0, 1, 6554, 40_000, 65_535):
        kept = is_kept([rows, 5], tf.constant(bits), tf.constant(limit, tf.uint32))
        assert np.array_equal(kept, halves >= limit)


def test_a_limit_is_the_nearest_of_65536():
    assert threshold(0.1).numpy() == 6554
    assert threshold(0.5).numpy() == 32_768
