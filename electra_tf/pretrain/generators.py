"""Generators: they fill the masked positions with plausible tokens.

B batch, L sequence length, P masked slots a row, V vocabulary, H hidden size.
"""

from typing import NamedTuple

import tensorflow as tf

from electra_tf.model.batch import Inputs, View
from electra_tf.model.compiled_ops import shape_of
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Embeddings, Encoder
from electra_tf.model.layers import Dense, Initializer, LayerNorm, gelu
from electra_tf.pretrain.masking import Masked


class Generated(NamedTuple):
    """A generator's logits."""

    logits: tf.Tensor  # float32 [B, P, V], at the drawn positions
    cloze_logits: tf.Tensor | None = None  # float32 [B, L, V], of the cloze model


class VocabularyHead(tf.Module):
    """Hidden states -> logits over the vocabulary, using the embedding table."""

    def __init__(
        self, scope: str, in_size: int, embeddings: Embeddings, init: Initializer
    ):
        super().__init__()
        vocab_size, size = embeddings.word.shape
        self.dense = Dense(f"{scope}/dense", in_size, size, init)
        self.layer_norm = LayerNorm(scope, size, init)
        self.output_bias = init.constant(f"{scope}/output_bias", vocab_size, 0.0)
        self._embeddings = embeddings

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        """[B, P, H] -> float32 [B, P, V]."""
        x = self.layer_norm(gelu(self.dense(hidden)))
        table = self._embeddings.word
        flat = tf.reshape(x, [-1, table.shape[1]])
        logits = tf.matmul(flat, tf.cast(table, x.dtype), transpose_b=True)
        logits = tf.cast(logits, tf.float32) + self.output_bias
        return tf.reshape(logits, [*shape_of(x)[:-1], table.shape[0]])


class MaskedLMGenerator(tf.Module):
    """A bidirectional encoder that reads the masked input."""

    def __init__(self, encoder: Encoder, head: VocabularyHead):
        super().__init__()
        self.encoder, self.head = encoder, head

    def __call__(
        self, inputs: Inputs, masked: Masked, view: View, random: RandomStream | None
    ) -> Generated:
        masked_inputs = inputs._replace(input_ids=masked.input_ids)
        hidden = self.encoder(masked_inputs, view, random)
        at_slots = tf.gather(hidden, masked.masked_lm_positions, batch_dims=1)
        return Generated(self.head(at_slots))


class UniformGenerator(tf.Module):
    """No network: all tokens are equally likely."""

    def __init__(self, vocab_size: int):
        super().__init__()
        self._vocab_size = vocab_size

    def __call__(
        self, inputs: Inputs, masked: Masked, view: View, random: RandomStream | None
    ) -> Generated:
        shape = [*shape_of(masked.masked_lm_positions), self._vocab_size]
        return Generated(tf.zeros(shape))


class TwoTowerGenerator(tf.Module):
    """Electric's cloze model: reads the unmasked input from both ends.

    Position i is predicted from the left tower at i - 1 and the right tower at i + 1,
    which have not seen token i (Clark et al. 2020, "Pre-Training Transformers as
    Energy-Based Cloze Models", section 3).
    """

    def __init__(self, left: Encoder, right: Encoder, head: VocabularyHead):
        super().__init__()
        self.left, self.right, self.head = left, right, head

    def __call__(
        self, inputs: Inputs, masked: Masked, view: View, random: RandomStream | None
    ) -> Generated:
        length = shape_of(inputs.input_ids)[1]
        square = tf.ones([1, length, length])
        hidden = []
        for tower, lower, upper, shift in (
            (self.left, -1, 0, 1),
            (self.right, 0, -1, -1),
        ):
            mask_BLL = tf.linalg.band_part(square, lower, upper) * view.attention_mask
            own_view = view._replace(attention_mask=mask_BLL)
            states = tower(inputs, own_view, random)
            hidden.append(tf.roll(states, shift, axis=1))
        cloze_logits = self.head(tf.concat(hidden, -1))
        at_slots = tf.gather(cloze_logits, masked.masked_lm_positions, batch_dims=1)
        return Generated(at_slots, cloze_logits)
