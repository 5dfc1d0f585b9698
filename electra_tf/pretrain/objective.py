"""ELECTRA's objective: generate, sample, corrupt, discriminate, and the loss.

x are a row's tokens, m its drawn positions, x^masked what `masking.mask` makes of x
(Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than
Generators", section 2).

B batch, L sequence length, P masked slots a row, V vocabulary.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from electra_tf.config import PretrainingConfig
from electra_tf.model.batch import Inputs, View
from electra_tf.model.compiled_ops import cross_entropy
from electra_tf.model.dropout import RandomStream
from electra_tf.pretrain import masking
from electra_tf.pretrain.generators import Generated
from electra_tf.pretrain.masking import Corrupted, Masked
from electra_tf.pretrain.model import PretrainingModel

_EPSILON = 1e-6


class Discriminated(NamedTuple):
    """The discriminator's answers."""

    logits: tf.Tensor  # float32 [B, L]; above 0 means replaced
    losses: tf.Tensor  # float32 [B, L], 0 at padding
    loss: tf.Tensor  # float32 [], their sum


class Output(NamedTuple):
    """One forward pass; losses are sums, to be divided by `Denominators`."""

    mlm_logits: tf.Tensor  # float32 [B, P, V]
    mlm_losses: tf.Tensor  # float32 [B, P]
    mlm_loss: tf.Tensor  # float32 []
    generator_loss: tf.Tensor  # float32 []; mlm_loss, or Electric's cloze loss
    sampled_ids: tf.Tensor  # int32 [B, P]
    corrupted: Corrupted
    discriminator: Discriminated | None  # None for masked LM only


class Denominators(NamedTuple):
    """How many positions each of the two losses adds up, float32 []."""

    generator: tf.Tensor
    discriminator: tf.Tensor


def forward(
    model: PretrainingModel,
    inputs: Inputs,
    masked: Masked,
    seed: tf.Tensor | None = None,
    random: RandomStream | None = None,
    sampled_ids: tf.Tensor | None = None,
) -> Output:
    """Both networks on one batch.

    Args:
      masked: from `masking.mask`, or recorded.
      seed: int32 [2], for sampling.
      random: for dropout; None for evaluation.
      sampled_ids: int32 [B, P], recorded ones; None draws them.
    """
    config, view = model.config, model.view(inputs.input_mask)
    # p_G(x_i | x^masked) for i in m
    generated = model.generator(inputs, masked, view, random)
    # x^_i ~ p_G(x_i | x^masked)
    if sampled_ids is None:
        sampled_ids = masking.sample(generated.logits, masked, config, seed)
    # x^corrupt = REPLACE(x, m, x^)
    corrupted = masking.corrupt(inputs, masked, sampled_ids, config)
    # L_MLM = sum_{i in m} -log p_G(x_i | x^masked)
    mlm_losses = cross_entropy(generated.logits, masked.masked_lm_ids)
    mlm_loss = tf.reduce_sum(masked.masked_lm_weights * mlm_losses)
    generator_loss, discriminator = mlm_loss, None
    if generated.cloze_logits is not None:
        cloze_losses = cross_entropy(generated.cloze_logits, inputs.input_ids)
        generator_loss = tf.reduce_sum(_cloze_weights(inputs) * cloze_losses)
    if config.has_discriminator:
        discriminator = _discriminate(model, inputs, view, generated, corrupted, random)
    return Output(
        generated.logits,
        mlm_losses,
        mlm_loss,
        generator_loss,
        sampled_ids,
        corrupted,
        discriminator,
    )


def _discriminate(
    model: PretrainingModel,
    inputs: Inputs,
    view: View,
    generated: Generated,
    corrupted: Corrupted,
    random: RandomStream | None,
) -> Discriminated:
    # D(x^corrupt, t), the probability that token t was replaced, as a logit
    input_ids = corrupted.input_ids
    logits = model.discriminate(inputs._replace(input_ids=input_ids), view, random)
    if generated.cloze_logits is not None:
        logits += _noise_log_odds(generated.cloze_logits, input_ids, model.config)
    # L_Disc = sum_t -[replaced_t log D + (1 - replaced_t) log(1 - D)]
    losses = discriminator_losses(logits, corrupted, inputs.input_mask)
    return Discriminated(logits, losses, tf.reduce_sum(losses))


def loss(
    output: Output, denominators: Denominators, config: PretrainingConfig
) -> tf.Tensor:
    """L = gen_weight L_MLM + disc_weight L_Disc, each a mean over its positions."""
    total = output.generator_loss / (denominators.generator + _EPSILON)
    total *= config.gen_weight
    if output.discriminator is not None:
        mean = output.discriminator.loss / (denominators.discriminator + _EPSILON)
        total += config.disc_weight * mean
    return total


def denominators(
    inputs: Inputs, masked: Masked, config: PretrainingConfig
) -> Denominators:
    """Of one batch. They do not depend on the model."""
    weights = masked.masked_lm_weights
    if config.electric_objective:
        weights = _cloze_weights(inputs)
    tokens = tf.cast(inputs.input_mask > 0, tf.float32)
    return Denominators(tf.reduce_sum(weights), tf.reduce_sum(tokens))


def discriminator_losses(
    logits: tf.Tensor, corrupted: Corrupted, input_mask: tf.Tensor
) -> tf.Tensor:
    """float32 [B, L]: sigmoid cross-entropy at real tokens, 0 at padding."""
    return tf.cast(input_mask > 0, tf.float32) * (
        tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.cast(corrupted.is_fake_tokens, tf.float32), logits=logits
        )
    )


def _cloze_weights(inputs: Inputs) -> tf.Tensor:
    """float32 [B, L]: Electric's generator is trained at every candidate."""
    return tf.cast(masking.candidates(inputs), tf.float32)


def _noise_log_odds(
    cloze_logits: tf.Tensor, input_ids: tf.Tensor, config: PretrainingConfig
) -> tf.Tensor:
    """log q(x_t | context) + log(mask_prob / (1 - mask_prob)), float32 [B, L].

    Added to Electric's logit it makes that logit an energy (noise contrastive
    estimation, section 3 of its paper). No gradient.
    """
    log_q = -cross_entropy(cloze_logits, input_ids)
    return tf.stop_gradient(log_q) + math.log(
        config.mask_prob / (1.0 - config.mask_prob)
    )
