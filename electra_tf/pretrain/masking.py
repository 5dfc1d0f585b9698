"""Masks for the generator, samples from it, corrupted input for the discriminator.

Draws are functions of a seed, and their effects are separate functions of what was
drawn, so that recorded draws can be fed in.

B batch, L sequence length, P masked slots a row, V vocabulary.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.vocab.vocabulary import CLS_ID, MASK_ID, SEP_ID
from electra_tf.config import PretrainingConfig
from electra_tf.model.batch import Inputs
from electra_tf.model.compiled_ops import compiled, shape_of

_MASK_TOKEN_CHANCE = 0.85
# Tokens drawn beyond the slots, to replace a word that the slots cannot hold.
_SPARE = 16
# Sampling weighs this many tokens together: about the square root of V.
_BLOCK = 256


class Masked(NamedTuple):
    """Which positions were drawn, and the generator's input.

    Slots past a row's number of predictions have position 0, id 0 and weight 0.
    """

    input_ids: tf.Tensor  # int32 [B, L]
    masked_lm_positions: tf.Tensor  # int32 [B, P]
    masked_lm_ids: tf.Tensor  # int32 [B, P], the true tokens
    masked_lm_weights: tf.Tensor  # float32 [B, P]


class Corrupted(NamedTuple):
    """The discriminator's input and labels, int32 [B, L] each."""

    input_ids: tf.Tensor
    is_fake_tokens: tf.Tensor


def candidates(inputs: Inputs) -> tf.Tensor:
    """bool [B, L]: real tokens other than [CLS], [SEP] and [MASK]."""
    allowed = inputs.input_mask > 0
    for special in (CLS_ID, SEP_ID, MASK_ID):
        allowed &= inputs.input_ids != special
    return allowed


def mask(
    inputs: Inputs,
    config: PretrainingConfig,
    seed: tf.Tensor,
    is_continuation: np.ndarray | None = None,
) -> Masked:
    """Draws positions, uniformly over the candidates; with replacement by default.

    A row of n tokens gets max(1, min(P, round(n * mask_prob))) of them (on average,
    with whole_word_mask); each becomes [MASK] with probability 0.85.

    Args:
      seed: int32 [2].
      is_continuation: bool [V], for whole_word_mask: tokens that continue a word.
    """
    slots = config.max_predictions_per_seq
    position_seed, replace_seed = tf.unstack(tf.random.split(seed, 2))
    num_tokens = tf.reduce_sum(tf.cast(inputs.input_mask > 0, tf.float32), -1)
    wanted = tf.cast(tf.round(num_tokens * config.mask_prob), tf.int32)
    num_to_predict = tf.maximum(1, tf.minimum(slots, wanted))
    allowed = candidates(inputs)
    # A row without candidates (the original would divide by zero) has nothing to
    # predict.
    num_to_predict *= tf.cast(tf.reduce_any(allowed, -1), tf.int32)
    if config.whole_word_mask or config.mask_without_replacement:
        continues = tf.zeros_like(allowed)
        if config.whole_word_mask:
            continues = tf.gather(tf.constant(is_continuation), inputs.input_ids)
        words = _word_numbers(allowed, continues)
        positions, drawn = _draw_words(words, num_to_predict, slots, position_seed)
    else:
        positions = _draw_positions(allowed, slots, position_seed)
        drawn = tf.sequence_mask(num_to_predict, slots)
    weights = tf.cast(drawn, tf.float32)
    positions *= tf.cast(weights, tf.int32)
    replaced = tf.random.stateless_uniform(shape_of(positions), replace_seed)
    replaced = tf.cast(replaced < _MASK_TOKEN_CHANCE, tf.int32)
    true_ids = tf.gather(inputs.input_ids, positions, batch_dims=1)
    masks = tf.fill(tf.shape(positions), MASK_ID)
    return Masked(
        input_ids=_scatter(inputs.input_ids, positions * replaced, masks),
        masked_lm_positions=positions,
        masked_lm_ids=true_ids * tf.cast(weights, tf.int32),
        masked_lm_weights=weights,
    )


def _draw_positions(allowed: tf.Tensor, slots: int, seed: tf.Tensor) -> tf.Tensor:
    """int32 [B, P]: each slot uniform over the row's allowed positions.

    Takes the k-th allowed position for k uniform in [0, number allowed), which is cheap
    and keeps shapes static.
    """
    counts = tf.cumsum(tf.cast(allowed, tf.int32), axis=-1)
    number = counts[:, -1:]
    shape = [shape_of(allowed)[0], slots]
    uniform = tf.random.stateless_uniform(shape, seed)
    k = tf.cast(uniform * tf.cast(number, tf.float32), tf.int32)
    # float32 rounding can lift a uniform just under 1 to the number itself
    k = tf.minimum(k, tf.maximum(number - 1, 0))
    # The k-th allowed position is where the running count first exceeds k.
    positions = tf.reduce_sum(tf.cast(counts[:, None] <= k[..., None], tf.int32), -1)
    return tf.where(number > 0, positions, 0)


def _word_numbers(allowed: tf.Tensor, continues: tf.Tensor) -> tf.Tensor:
    """int32 [B, L]: the number of a candidate's word in its row, from 1; else 0.

    Args:
      allowed, continues: bool [B, L]: which tokens are candidates, and which continue a
        word.
    """
    follows_candidate = tf.pad(allowed[:, :-1], [[0, 0], [1, 0]])
    is_start = allowed & ~(continues & follows_candidate)
    return tf.cumsum(tf.cast(is_start, tf.int32), -1) * tf.cast(allowed, tf.int32)


def _draw_words(
    words: tf.Tensor, wanted: tf.Tensor, slots: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws words without replacement until a row has the wanted number of tokens.

    The word that would exceed this number is drawn with the probability that makes the
    mean equal to it. If the slots cannot hold that word, the next ones that fit replace
    it.

    Args:
      words: int32 [B, L], each token's word, from 1; 0 is never drawn.
      wanted: int32 [B], tokens.

    Returns:
      Positions int32 [B, P], and which of them are drawn, bool [B, P].
    """
    order_seed, last_seed = tf.unstack(tf.random.split(seed, 2))
    batch, length = shape_of(words)
    keys = tf.random.stateless_uniform([batch, length + 1], order_seed)
    keys = tf.where(words > 0, tf.gather(keys, words, batch_dims=1), -1.0)
    count = min(length, slots + _SPARE)
    # Equal keys are sorted by position: the tokens of a word stay together, in order.
    _, positions = tf.math.top_k(keys, count)
    word_BC = tf.gather(words, positions, batch_dims=1)
    same_BCC = word_BC[:, :, None] == word_BC[:, None]
    before_BC = tf.argmax(tf.cast(same_BCC, tf.int32), -1, output_type=tf.int32)
    size_BC = tf.reduce_sum(tf.cast(words[:, None] == word_BC[..., None], tf.int32), -1)
    end_BC, is_word_BC = before_BC + size_BC, word_BC > 0
    missing_BC = wanted[:, None] - before_BC
    chance = tf.random.stateless_uniform([batch, 1], last_seed)
    is_in_time = chance * tf.cast(size_BC, tf.float32) < tf.cast(missing_BC, tf.float32)
    drawn = is_in_time & (end_BC <= slots) & is_word_BC
    # In a row there is at most one word that begins in time and does not fit.
    is_too_long = (missing_BC > 0) & (end_BC > slots) & is_word_BC
    free_B1 = tf.reduce_max(tf.where(is_too_long, missing_BC, 0), -1, keepdims=True)
    fits = ~drawn & is_word_BC & (size_BC <= free_B1) & (end_BC <= count)
    fitting_before = tf.cumsum(tf.cast(fits, tf.int32), -1, exclusive=True)
    filled_BC = tf.gather(fitting_before, before_BC, batch_dims=1)
    drawn |= fits & (filled_BC + size_BC <= free_B1)
    _, first = tf.math.top_k(tf.cast(drawn, tf.int32), slots)
    return tuple(tf.gather(x, first, batch_dims=1) for x in (positions, drawn))


def sample(
    logits: tf.Tensor, masked: Masked, config: PretrainingConfig, seed: tf.Tensor
) -> tf.Tensor:
    """One token per slot from softmax(logits / temperature), without gradient.

    Draws a block of the vocabulary and then a token within it: two random numbers per
    slot, where the Gumbel trick needs one per token of the vocabulary.

    Args:
      logits: float32 [B, P, V].
      seed: int32 [2].

    Returns:
      int32 [B, P].
    """
    logits = tf.stop_gradient(logits) / config.temperature
    if config.disallow_correct:
        logits -= 1000.0 * tf.one_hot(masked.masked_lm_ids, logits.shape[-1])
    slots = shape_of(logits)[:-1]
    weights = _weights_by_block(logits, tf.reduce_max(logits, -1, keepdims=True))
    block_seed, token_seed = tf.unstack(tf.random.split(seed, 2))
    uniform = tf.random.stateless_uniform([*slots, 1], block_seed)
    block = _draw_by_weight(tf.reduce_sum(weights, -1), uniform)
    uniform = tf.random.stateless_uniform([*slots, 1], token_seed)
    token = _draw_by_weight(tf.gather(weights, block, batch_dims=2), uniform)
    return block * _BLOCK + token


@compiled
def _weights_by_block(logits: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
    """exp(logits - largest) as [B, P, blocks, _BLOCK], 0 beyond the vocabulary."""
    *slots, size = shape_of(logits)
    padding = [[0, 0], [0, 0], [0, -size % _BLOCK]]
    logits = tf.pad(logits, padding, constant_values=-1e30)
    return tf.reshape(tf.exp(logits - largest), [*slots, -1, _BLOCK])


def _draw_by_weight(weights: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """int32 [B, P]: i drawn by weights [B, P, n], with uniform numbers [B, P, 1]."""
    sums = tf.cumsum(weights, axis=-1)
    chosen = (sums > uniform * sums[..., -1:]) & (weights > 0.0)
    return tf.argmax(chosen, -1, output_type=tf.int32)  # the first of them


def corrupt(
    inputs: Inputs, masked: Masked, sampled_ids: tf.Tensor, config: PretrainingConfig
) -> Corrupted:
    """Puts sampled tokens [B, P] into the unmasked input.

    A token is fake if its position was drawn and it differs from the original; with the
    electric objective, at every drawn position.
    """
    positions = masked.masked_lm_positions
    input_ids = _scatter(inputs.input_ids, positions, sampled_ids)
    zeros = tf.zeros_like(inputs.input_ids)
    is_fake = _scatter(zeros, positions, tf.ones_like(positions))
    if not config.electric_objective:
        is_fake *= tf.cast(input_ids != inputs.input_ids, tf.int32)
    return Corrupted(input_ids, is_fake)


def _scatter(
    sequence: tf.Tensor, positions: tf.Tensor, updates: tf.Tensor
) -> tf.Tensor:
    """Writes updates [B, P] into sequence [B, L]; position 0 never changes.

    A position drawn several times gets the floor of the mean of its updates, as in the
    original: an unrelated token, and so an easy fake.
    """
    length = shape_of(sequence)[1]
    counts = tf.cast(positions > 0, sequence.dtype)
    one_hot_BPL = tf.one_hot(positions, length, dtype=sequence.dtype)
    one_hot_BPL *= counts[..., None]
    times = tf.reduce_sum(one_hot_BPL, 1)
    totals = tf.reduce_sum(one_hot_BPL * updates[..., None], 1)
    return tf.where(times > 0, totals // tf.maximum(times, 1), sequence)
