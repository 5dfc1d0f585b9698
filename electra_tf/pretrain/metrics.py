"""The original's metrics, as sums that can be added over batches and replicas."""

import numpy as np
import tensorflow as tf

from electra_tf.model.batch import Inputs
from electra_tf.model.compiled_ops import compiled
from electra_tf.pretrain.masking import Masked
from electra_tf.pretrain.objective import Output

# The AUC's resolution: probabilities are counted in this many equal bins.
_AUC_BINS = 1_000

Sums = dict[str, tf.Tensor]

_SCALARS = "mlm_weight mlm_loss mlm_correct sampled_correct positions tokens"
_DISCRIMINATOR_SCALARS = "disc_loss disc_correct disc_fake disc_predicted disc_hit"
_HISTOGRAMS = "disc_fake_bins disc_real_bins"


def zero_sums(has_discriminator: bool) -> Sums:
    """The initial value of sums over many batches."""
    sums = {name: tf.zeros([]) for name in _SCALARS.split()}
    if has_discriminator:
        sums |= {name: tf.zeros([]) for name in _DISCRIMINATOR_SCALARS.split()}
        sums |= {name: tf.zeros([_AUC_BINS]) for name in _HISTOGRAMS.split()}
    return sums


def batch_sums(inputs: Inputs, masked: Masked, output: Output) -> Sums:
    """Numerators, denominators and histograms of one batch: float32, additive."""
    weights = masked.masked_lm_weights
    sums = {
        "mlm_weight": tf.reduce_sum(weights),
        "mlm_loss": output.mlm_loss,
        "mlm_correct": tf.reduce_sum(
            weights * is_argmax(output.mlm_logits, masked.masked_lm_ids)
        ),
        "sampled_correct": tf.reduce_sum(
            weights * _equal(output.sampled_ids, masked.masked_lm_ids)
        ),
        "positions": tf.cast(tf.size(inputs.input_ids), tf.float32),
        "tokens": tf.reduce_sum(tf.cast(inputs.input_mask > 0, tf.float32)),
    }
    if output.discriminator is not None:
        sums |= _discriminator_sums(inputs, output)
    return sums


def _discriminator_sums(inputs: Inputs, output: Output) -> Sums:
    discriminator = output.discriminator
    mask = tf.cast(inputs.input_mask > 0, tf.float32)
    fake = mask * tf.cast(output.corrupted.is_fake_tokens, tf.float32)
    predicted = mask * tf.cast(discriminator.logits > 0, tf.float32)
    hit = fake * predicted
    bins = tf.cast(tf.sigmoid(discriminator.logits) * _AUC_BINS, tf.int32)
    bins = tf.minimum(bins, _AUC_BINS - 1)
    return {
        "disc_loss": discriminator.loss,
        "disc_correct": tf.reduce_sum(mask - fake - predicted + 2.0 * hit),
        "disc_fake": tf.reduce_sum(fake),
        "disc_predicted": tf.reduce_sum(predicted),
        "disc_hit": tf.reduce_sum(hit),
        "disc_fake_bins": _histogram(bins, fake),
        "disc_real_bins": _histogram(bins, mask - fake),
    }


@compiled
def is_argmax(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """float32 [B, P]: 1 where the label is the argmax, the first among equals.

    Checking that no token ranks before the label takes half the time of an argmax.
    """
    at_label = tf.gather(logits, labels, batch_dims=2)[..., None]
    is_earlier = tf.range(logits.shape[-1]) < labels[..., None]
    before = (logits > at_label) | ((logits == at_label) & is_earlier)
    return 1.0 - tf.cast(tf.reduce_any(before, -1), tf.float32)


def _equal(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.cast(a == b, tf.float32)


def _histogram(bins: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.math.unsorted_segment_sum(
        tf.reshape(weights, [-1]), tf.reshape(bins, [-1]), _AUC_BINS
    )


def finalize(
    sums: dict[str, np.ndarray], gen_weight: float, disc_weight: float
) -> dict[str, float]:
    """Sums of any number of batches -> the original's metrics by name, and a few more.

    Means are over all tokens of all batches. disc_auc excludes padding (the original
    counts it as an easy true negative); replaced_rate is the share of real tokens that
    are fake; nonpad_share is the share of positions that are not padding.
    """
    mlm_weight = max(float(sums["mlm_weight"]), 1e-6)
    result = {
        "masked_lm_loss": float(sums["mlm_loss"]) / mlm_weight,
        "masked_lm_accuracy": float(sums["mlm_correct"]) / mlm_weight,
        "sampled_masked_lm_accuracy": float(sums["sampled_correct"]) / mlm_weight,
        "nonpad_share": float(sums["tokens"] / sums["positions"]),
    }
    loss = gen_weight * result["masked_lm_loss"]
    if "disc_loss" in sums:
        total = max(float(sums["tokens"]), 1e-6)
        result |= {
            "disc_loss": float(sums["disc_loss"]) / total,
            "disc_auc": auc(sums["disc_real_bins"], sums["disc_fake_bins"]),
            "disc_accuracy": float(sums["disc_correct"]) / total,
            "disc_precision": _ratio(sums["disc_hit"], sums["disc_predicted"]),
            "disc_recall": _ratio(sums["disc_hit"], sums["disc_fake"]),
            "replaced_rate": float(sums["disc_fake"]) / total,
        }
        loss += disc_weight * result["disc_loss"]
    return {"loss": loss, **result}


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    """part / whole, and 0 for 0 / 0, as the original reports it."""
    return float(part / whole) if whole else 0.0


def auc(real_bins: np.ndarray, fake_bins: np.ndarray) -> float:
    """P(score of a fake token > score of a real one), ties counting half.

    Args:
      real_bins, fake_bins: [bins], how many tokens scored in each bin, ascending.
    """
    real = np.asarray(real_bins, np.float64)
    fake = np.asarray(fake_bins, np.float64)
    pairs = real.sum() * fake.sum()
    if not pairs:
        return 0.0
    below = np.concatenate([[0.0], np.cumsum(real)[:-1]])
    return float((fake * (below + 0.5 * real)).sum() / pairs)
