"""What an encoder sees, with dropout and without."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from electra_tf.model.batch import Inputs
from electra_tf.model.dropout import RandomStream

KINDS = ("discriminator_logits", "generator_logits")


def stream(*seed: int) -> RandomStream:
    return RandomStream(tf.constant(seed))


def discriminate(model, inputs, random: RandomStream | None) -> tf.Tensor:
    return model.discriminate(inputs, model.view(inputs.input_mask), random)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_change_real_positions(model, kind):
    inputs = tiny.inputs([9, 12], 12)
    padded = [tf.pad(values, [[0, 0], [0, 4]]) for values in inputs]
    # nor may the tokens in the padding matter
    padded[0] += 17 * (1 - padded[1])
    logits = getattr(model, kind)
    real = inputs.input_mask.numpy() == 1
    short, long = logits(inputs).numpy(), logits(Inputs(*padded)).numpy()[:, :12]
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
    logits = getattr(model, kind)(Inputs(*rows)).numpy()
    moved = np.abs(logits[:length] - logits[length]).reshape([length, length, -1])
    moved = moved.max(-1)[:, :real]
    assert (moved[:real] > 1e-4).all()
    assert moved[real:].max() < 1e-5


def test_without_randomness_there_is_no_dropout(model):
    inputs = tiny.inputs([16, 7])
    first = model.discriminator_logits(inputs)
    assert np.array_equal(first, discriminate(model, inputs, None))
    assert not np.allclose(first, discriminate(model, inputs, stream(1, 2)))


def test_seed_decides_the_dropout(model):
    inputs = tiny.inputs([16, 7])
    first, again, other = (
        discriminate(model, inputs, stream(*seed)) for seed in ((1, 2), (1, 2), (2, 2))
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
