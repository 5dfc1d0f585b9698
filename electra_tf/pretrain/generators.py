"""Generators: what fills the masked positions with plausible tokens.

B batch, L sequence length, P masked slots a row, V vocabulary, H hidden size.
"""

from typing import NamedTuple

import tensorflow as tf

from electra_tf.model.compiled_ops import cross_entropy
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Embeddings, Encoder
from electra_tf.model.layers import Dense, Initializer, LayerNorm, gelu
from electra_tf.model.shapes import shape_of
from electra_tf.pretrain import masking
from electra_tf.pretrain.masking import Inputs, Masked


class MaskedLMOutput(NamedTuple):
    """The generator's answers at the drawn positions."""

    logits: tf.Tensor  # float32 [B, P, V]
    nll: tf.Tensor  # float32 [B, P], -log p(true token)
    loss_sum: tf.Tensor  # float32 [], to be divided by (weight_sum + 1e-6)
    weight_sum: tf.Tensor  # float32 []


class GeneratorOutput(NamedTuple):
    """What a generator says of one batch.

    loss_sum / (weight_sum + 1e-6) is what gen_weight weighs: the masked LM's loss, or
    the cloze loss over all candidates, whose logits are then given too.
    """

    mlm: MaskedLMOutput
    loss_sum: tf.Tensor
    weight_sum: tf.Tensor
    cloze_logits: tf.Tensor | None = None  # float32 [B, L, V]


def masked_lm_output(logits: tf.Tensor, masked: Masked) -> MaskedLMOutput:
    """L_MLM = sum_i -log p_G(x_i | x^masked), section 2 of the paper."""
    nll = cross_entropy(logits, masked.masked_lm_ids)
    weights = masked.masked_lm_weights
    return MaskedLMOutput(
        logits, nll, tf.reduce_sum(weights * nll), tf.reduce_sum(weights)
    )


class TokenHead(tf.Module):
    """Hidden states -> logits over the vocabulary, by the embedding table."""

    def __init__(
        self, scope: str, in_size: int, embeddings: Embeddings, init: Initializer
    ):
        super().__init__()
        vocab_size, size = embeddings.word.shape
        self.dense = Dense(f"{scope}/dense", in_size, size, init)
        self.layer_norm = LayerNorm(scope, size, init)
        self.output_bias = init.zeros(f"{scope}/output_bias", [vocab_size])
        self._embeddings = embeddings

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        """[B, P, H] -> float32 [B, P, V]."""
        x = self.layer_norm(gelu(self.dense(hidden)))
        table = self._embeddings.word
        flat = tf.reshape(x, [-1, table.shape[1]])
        logits = tf.matmul(flat, tf.cast(table, x.dtype), transpose_b=True)
        logits = tf.cast(logits, tf.float32) + self.output_bias
        return tf.reshape(logits, [*shape_of(x)[:-1], table.shape[0]])


class View(NamedTuple):
    """What each position sees, and where in its document it stands."""

    attention_mask: tf.Tensor  # float32 [B, 1, L] or [B, L, L]
    position_ids: tf.Tensor | None = None  # int32 [B, L]; counting from 0 if None


def view_of_row(input_mask: tf.Tensor) -> View:
    """Every position sees every real token."""
    return View(tf.cast(input_mask > 0, tf.float32)[:, None, :])


def view_of_documents(input_mask: tf.Tensor) -> View:
    """Every position sees the tokens of its own document, which begins at position 0.

    Args:
      input_mask: int32 [B, L], the documents' numbers, ascending; 0 is padding.
    """
    is_real = tf.cast(input_mask > 0, tf.float32)[:, None, :]
    same_BLL = tf.cast(input_mask[:, :, None] == input_mask[:, None, :], tf.float32)
    up_to_here_BLL = tf.linalg.band_part(same_BLL, -1, 0)
    position_ids = tf.cast(tf.reduce_sum(up_to_here_BLL, -1), tf.int32) - 1
    return View(same_BLL * is_real, position_ids)


class MaskedLMGenerator(tf.Module):
    """A bidirectional encoder that reads the masked input."""

    def __init__(self, embeddings: Embeddings, encoder: Encoder, head: TokenHead):
        super().__init__()
        self.embeddings, self.encoder, self.head = embeddings, encoder, head

    def hidden(
        self,
        input_ids: tf.Tensor,
        segment_ids: tf.Tensor,
        view: View,
        random: RandomStream | None,
    ) -> tf.Tensor:
        """[B, L, H]."""
        embedded = self.embeddings(input_ids, segment_ids, random, view.position_ids)
        return self.encoder(embedded, view.attention_mask, random)

    def __call__(
        self, inputs: Inputs, masked: Masked, view: View, random: RandomStream | None
    ) -> GeneratorOutput:
        hidden = self.hidden(masked.input_ids, inputs.segment_ids, view, random)
        at_slots = tf.gather(hidden, masked.masked_lm_positions, batch_dims=1)
        mlm = masked_lm_output(self.head(at_slots), masked)
        return GeneratorOutput(mlm, mlm.loss_sum, mlm.weight_sum)


class UniformGenerator(tf.Module):
    """No network: every token is as likely as any other."""

    def __init__(self, vocab_size: int):
        super().__init__()
        self._vocab_size = vocab_size

    def __call__(
        self, inputs: Inputs, masked: Masked, view: View, random: RandomStream | None
    ) -> GeneratorOutput:
        shape = [*shape_of(masked.masked_lm_positions), self._vocab_size]
        mlm = masked_lm_output(tf.zeros(shape), masked)
        return GeneratorOutput(mlm, mlm.loss_sum, mlm.weight_sum)


class Tower(NamedTuple):
    """One direction of the two-tower generator."""

    embeddings: Embeddings
    encoder: Encoder


class TwoTowerGenerator(tf.Module):
    """Electric's cloze model: reads the unmasked input from both ends.

    Position i is predicted from the left tower at i - 1 and the right one at i + 1,
    which have not seen it (Clark et al. 2020, "Pre-Training Transformers as
    Energy-Based Cloze Models", section 3).
    """

    def __init__(self, left: Tower, right: Tower, head: TokenHead):
        super().__init__()
        self.left, self.right, self.head = left, right, head

    def __call__(
        self, inputs: Inputs, masked: Masked, view: View, random: RandomStream | None
    ) -> GeneratorOutput:
        length = shape_of(inputs.input_ids)[1]
        square = tf.ones([1, length, length])
        hidden = []
        for tower, lower, upper, shift in (
            (self.left, -1, 0, 1),
            (self.right, 0, -1, -1),
        ):
            mask_BLL = tf.linalg.band_part(square, lower, upper)
            mask_BLL *= view.attention_mask
            embedded = tower.embeddings(
                inputs.input_ids, inputs.segment_ids, random, view.position_ids
            )
            states = tower.encoder(embedded, mask_BLL, random)
            hidden.append(tf.roll(states, shift, axis=1))
        cloze_logits = self.head(tf.concat(hidden, -1))
        nll = cross_entropy(cloze_logits, inputs.input_ids)
        weights = tf.cast(masking.candidates(inputs), tf.float32)
        at_slots = tf.gather(cloze_logits, masked.masked_lm_positions, batch_dims=1)
        return GeneratorOutput(
            masked_lm_output(at_slots, masked),
            tf.reduce_sum(weights * nll),
            tf.reduce_sum(weights),
            cloze_logits,
        )
