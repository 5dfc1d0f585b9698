"""Attention and its gradients against softmax written out in float64."""

import numpy as np
import pytest
import tensorflow as tf

from electra_tf.model import dropout
from electra_tf.model.attention import attend
from electra_tf.model.dropout import RandomStream

BATCH, LENGTH, HEADS, DEPTH = 3, 7, 2, 5


def plain(q, k, v, bias, kept, scale):
    """What `attend` computes, without any of its rearranging."""
    scores = tf.einsum("BFND,BTND->BNFT", q, k)
    probs = tf.nn.softmax(scores + tf.linalg.matrix_transpose(bias)[:, None])
    return tf.einsum("BNFT,BTND->BFND", probs * kept * scale, v)


def value_and_gradients(function, args, upstream) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch(args)
        y = function(*args)
    found = tape.gradient(y, args, output_gradients=tf.cast(upstream, y.dtype))
    return [tf.cast(x, tf.float64).numpy() for x in (y, *found)]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("dtype, close", [("float32", 2e-5), ("bfloat16", 0.06)])
def test_attention_and_its_gradients(rate, dtype, close, request):
    if dtype == "bfloat16":
        request.getfixturevalue("bfloat16")
    rng = np.random.RandomState(0)
    shape = [BATCH, LENGTH, HEADS, DEPTH]
    # In bfloat16 both sides begin from the same rounded numbers.
    args = [tf.cast(rng.standard_normal(shape), dtype) for _ in range(3)]
    upstream = tf.cast(rng.standard_normal(shape), dtype)
    is_real = np.arange(LENGTH) < np.array([7, 4, 1])[:, None]
    bias = tf.constant(-1e4 * ~is_real[:, :, None], tf.float32)
    square = [BATCH, HEADS, LENGTH, LENGTH]
    draws = dropout.draws(square, rate, RandomStream(tf.constant([1, 2])))
    kept, scale = 1.0, 1.0
    if rate:
        kept = dropout.is_kept(square, *draws)
        kept = tf.linalg.matrix_transpose(tf.cast(kept, tf.float64))
        scale = tf.cast(dropout.scale(draws[1]), tf.float64)
    ours = value_and_gradients(
        lambda q, k, v: attend(q, k, v, bias, *draws), args, upstream
    )
    exact = [tf.cast(x, tf.float64) for x in args]
    theirs = value_and_gradients(
        lambda q, k, v: plain(q, k, v, tf.cast(bias, tf.float64), kept, scale),
        exact,
        upstream,
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=close * max(1.0, np.abs(b).max()))


def test_scores_too_large_for_exp_do_no_harm():
    q = tf.fill([1, 4, 1, 2], 100.0)
    k = tf.constant(np.arange(8.0).reshape([1, 4, 1, 2]), tf.float32)
    mixed = attend(q, k, k, tf.zeros([1, 4, 1])).numpy()
    # the last position's score is 400 above the next
    np.testing.assert_allclose(mixed[0, :, 0], np.tile([6.0, 7.0], [4, 1]))
