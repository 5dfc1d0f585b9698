"""Metrics against plain numpy over the same logits."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny
from helpers.run_folders import METRICS

from electra_tf.model.batch import Inputs
from electra_tf.pretrain import masking, metrics, objective


def answers(model, lengths: list[int], seed: int):
    """Inputs, masks, and a model's output with random logits in place of its own."""
    inputs = tiny.inputs(lengths, seed=seed)
    masked = masking.mask(inputs, model.config, tf.constant([seed, 1]))
    rng = np.random.RandomState(seed)
    logits = rng.standard_normal(masked.masked_lm_ids.shape + [40]).astype(np.float32)
    right = rng.uniform(size=masked.masked_lm_ids.shape) < 0.5
    logits += 9.0 * right[..., None] * np.eye(40)[masked.masked_lm_ids.numpy()]
    sampled = np.where(
        rng.uniform(size=right.shape) < 0.4, masked.masked_lm_ids, 5 + seed
    )
    sampled = tf.constant(sampled, tf.int32)
    output = objective.forward(model, inputs, masked, sampled_ids=sampled)
    weights = masked.masked_lm_weights.numpy()
    nll = negative_log_likelihood(logits, masked.masked_lm_ids.numpy())
    fake = output.corrupted.is_fake_tokens.numpy()
    real = inputs.input_mask.numpy()
    disc_logits = rng.standard_normal(fake.shape) * 2 + fake
    losses = real * sigmoid_cross_entropy(disc_logits, fake)
    discriminator = output.discriminator._replace(
        logits=tf.constant(disc_logits, tf.float32),
        losses=tf.constant(losses, tf.float32),
        loss=tf.constant(losses.sum(), tf.float32),
    )
    output = output._replace(
        mlm_logits=tf.constant(logits, tf.float32),
        mlm_losses=tf.constant(nll, tf.float32),
        mlm_loss=tf.constant((weights * nll).sum(), tf.float32),
        discriminator=discriminator,
    )
    return inputs, masked, output


def negative_log_likelihood(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    log_total = np.log(np.exp(logits).sum(-1))
    return log_total - np.take_along_axis(logits, ids[..., None], -1)[..., 0]


def sigmoid_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, logits) - labels * logits


def restated(batches, gen_weight: float, disc_weight: float) -> dict[str, float]:
    """All metrics from lists of tokens, as one would count them by hand."""
    nll, correct, sampled, logits, fake = [], [], [], [], []
    for inputs, masked, output in batches:
        used = masked.masked_lm_weights.numpy() == 1
        ids = masked.masked_lm_ids.numpy()
        nll += list(negative_log_likelihood(output.mlm_logits.numpy(), ids)[used])
        correct += list((output.mlm_logits.numpy().argmax(-1) == ids)[used])
        sampled += list((output.sampled_ids.numpy() == ids)[used])
        real = inputs.input_mask.numpy() == 1
        logits += list(output.discriminator.logits.numpy()[real])
        fake += list(output.corrupted.is_fake_tokens.numpy()[real] == 1)
    logits, fake = np.array(logits, np.float64), np.array(fake)
    predicted = logits > 0
    result = {
        "masked_lm_loss": np.mean(nll),
        "masked_lm_accuracy": np.mean(correct),
        "sampled_masked_lm_accuracy": np.mean(sampled),
        "disc_loss": np.mean(sigmoid_cross_entropy(logits, fake)),
        "disc_accuracy": np.mean(predicted == fake),
        "disc_precision": np.mean(fake[predicted]),
        "disc_recall": np.mean(predicted[fake]),
        "replaced_rate": np.mean(fake),
    }
    loss = gen_weight * result["masked_lm_loss"] + disc_weight * result["disc_loss"]
    ranks = (logits[fake][:, None] > logits[~fake]).mean()
    return result | {"loss": loss, "disc_auc": ranks}


def add(*sums: dict) -> dict[str, np.ndarray]:
    return {
        name: sum(np.asarray(s[name], np.float64) for s in sums) for name in sums[0]
    }


@pytest.fixture(scope="module")
def batches(model):
    rows = ([16, 9, 4, 16], [5, 16, 16, 12], [16] * 4)
    return [answers(model, 4 * lengths, seed) for seed, lengths in enumerate(rows, 2)]


@pytest.mark.parametrize("count", [1, 3])
def test_metrics_against_numpy(batches, count):
    sums = add(*(metrics.batch_sums(*batch) for batch in batches[:count]))
    ours = metrics.finalize(sums, 2.0, 30.0)
    expected = restated(batches[:count], 2.0, 30.0)
    assert ours.keys() >= METRICS
    for name, value in expected.items():
        # the AUC comes from a histogram
        bound = 5e-3 if name == "disc_auc" else 1e-5
        assert ours[name] == pytest.approx(value, abs=bound), name
        assert value not in (0.0, 1.0), f"{name} tests nothing"


def test_sums_of_batches_are_the_sums_of_the_joined_batch(batches):
    def joined(a, b):
        return tf.nest.map_structure(
            lambda x, y: tf.concat([x, y], 0) if x.shape.rank else x + y, a, b
        )

    first, second = batches[:2]
    apart = add(metrics.batch_sums(*first), metrics.batch_sums(*second))
    together = metrics.batch_sums(
        *(joined(a, b) for a, b in zip(first, second, strict=True))
    )
    assert apart.keys() == together.keys()
    for name, value in apart.items():
        np.testing.assert_allclose(value, together[name], rtol=1e-5, err_msg=name)


def test_a_training_loop_begins_with_zeros_of_every_sum(batches):
    zeros = metrics.zero_sums(has_discriminator=True)
    sums = metrics.batch_sums(*batches[0])
    assert set(sums) <= set(zeros)
    for name, value in sums.items():
        assert zeros[name].shape == value.shape and zeros[name].dtype == value.dtype
        assert not np.any(zeros[name])


def test_empty_rows_are_not_counted(model):
    rows = Inputs(
        *(tf.pad(values, [[0, 3], [0, 0]]) for values in tiny.inputs([16, 9]))
    )
    drawn = masking.mask(rows, model.config, tf.constant([1, 1]))
    sums = []
    for count in (2, 5):
        inputs = Inputs(*(values[:count] for values in rows))
        masked = masking.Masked(*(values[:count] for values in drawn))
        sampled = tf.fill(masked.masked_lm_ids.shape, 7)
        output = objective.forward(model, inputs, masked, sampled_ids=sampled)
        sums.append(metrics.batch_sums(inputs, masked, output))
    without, padded = (metrics.finalize(add(s), 1.0, 50.0) for s in sums)
    assert padded.pop("nonpad_share") == pytest.approx(25 / 80)
    assert without.pop("nonpad_share") == pytest.approx(25 / 32)
    assert padded == pytest.approx(without, rel=1e-5)


def test_nothing_to_count_gives_zeros():
    sums = {n: np.zeros(v.shape) for n, v in metrics.zero_sums(True).items()}
    sums["positions"] = np.array(16.0)
    result = metrics.finalize(sums, 1.0, 50.0)
    assert set(result.values()) == {0.0}
    assert result.keys() >= METRICS


def test_masked_lm_alone_has_no_discriminator_metrics():
    sums = {n: np.ones(v.shape) for n, v in metrics.zero_sums(False).items()}
    result = metrics.finalize(sums, 3.0, 50.0)
    assert not [name for name in result if name.startswith("disc")]
    assert result["loss"] == 3.0


@pytest.mark.parametrize("seed", range(4))
def test_auc_counts_pairs(seed):
    rng = np.random.RandomState(seed)
    real = rng.randint(0, 5, 12) * rng.randint(0, 2, 12)
    fake = rng.randint(0, 4, 12)
    pairs = [
        1.0 if f > r else 0.5 if f == r else 0.0
        for r in np.repeat(np.arange(12), real)
        for f in np.repeat(np.arange(12), fake)
    ]
    assert metrics.auc(real, fake) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_auc_at_its_ends():
    low, high, none = np.array([3, 0]), np.array([0, 2]), np.array([0, 0])
    assert metrics.auc(low, high) == 1.0
    assert metrics.auc(high, low) == 0.0
    assert metrics.auc(low, low) == 0.5
    assert metrics.auc(none, high) == metrics.auc(low, none) == 0.0


def test_of_equal_logits_the_first_is_the_prediction():
    logits = np.random.RandomState(0).randint(0, 4, [5, 6, 9]).astype(np.float32)
    labels = np.random.RandomState(1).randint(0, 9, [5, 6]).astype(np.int32)
    expected = logits.argmax(-1) == labels
    found = metrics.is_argmax(tf.constant(logits), tf.constant(labels))
    assert 0 < expected.sum() < expected.size
    assert np.array_equal(found, expected)
