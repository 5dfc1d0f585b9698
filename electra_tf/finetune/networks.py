"""Encoder and head of one task, and the loss of each kind of task.

B rows, L sequence length, C outputs, N choices.
"""

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.finetune.data.rows import Kind
from electra_tf.finetune.kinds.heads import HEADS
from electra_tf.finetune.kinds.tagging import NO_LABEL
from electra_tf.model.batch import Inputs, view_of_row
from electra_tf.model.compiled_ops import cross_entropy
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Embeddings, Encoder
from electra_tf.model.layers import Initializer


class FinetuningModel(tf.Module):
    """An encoder with the names of pretraining, and a head."""

    def __init__(
        self,
        kind: Kind,
        config: TransformerConfig,
        embedding_size: int,
        outputs: int,
        seed: int,
        compute_dtype: tf.DType = tf.float32,
    ):
        super().__init__()
        self.kind, self.config, self.embedding_size = kind, config, embedding_size
        init = Initializer(config.initializer_range, seed)
        self.embeddings = Embeddings(
            "electra", config, embedding_size, init, compute_dtype
        )
        self.encoder = Encoder("electra", config, embedding_size, init)
        self.head = HEADS[kind](config, outputs, init)

    @property
    def named_variables(self) -> dict[str, tf.Variable]:
        return {variable.name.split(":")[0]: variable for variable in self.variables}

    def __call__(self, inputs: Inputs, random: RandomStream | None = None) -> tf.Tensor:
        """int32 [B, L] three times -> float32 logits.

        Returns:
          [B, C], or [B, L, C] where each token is asked. A number is [B]; of choices,
          which come as rows one after the other, each has its own.
        """
        mask = view_of_row(inputs.input_mask).attention_mask
        embedded = self.embeddings(inputs.input_ids, inputs.segment_ids, random)
        hidden = self.encoder(embedded, mask, random)
        logits = tf.cast(self.head(hidden, random), tf.float32)
        per_row = (Kind.REGRESSION, Kind.MULTIPLE_CHOICE)
        return logits[:, 0] if self.kind in per_row else logits


def losses(
    kind: Kind, logits: tf.Tensor, targets: tf.Tensor, input_mask: tf.Tensor
) -> tf.Tensor:
    """The loss of each row, float32 [B].

    Those of transformers, but for two. Of TAGGING it is the mean over a row's labelled
    tokens, and a batch's loss the mean of its rows, so that short rows count as much as
    long ones; transformers takes the mean over all tokens of a batch. Of
    QUESTION_ANSWERING padding has no share in the softmax.

    Args:
      targets: int32 [B] (a class, the right choice), float32 [B, C] (0 or 1 a label),
        float32 [B] (a number), int32 [B, L] (a class or NO_LABEL), or int32 [B, 2]
        (first and last token of the answer).
      input_mask: int32 [B, L] of the logits' rows.
    """
    if kind is Kind.REGRESSION:
        return tf.square(logits - targets)
    if kind is Kind.MULTI_LABEL:
        each = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        return tf.reduce_mean(each, -1)
    if kind is Kind.TAGGING:
        has_label = tf.cast(targets != NO_LABEL, tf.float32)
        each = has_label * cross_entropy(logits, tf.maximum(targets, 0))
        return tf.math.divide_no_nan(
            tf.reduce_sum(each, -1), tf.reduce_sum(has_label, -1)
        )
    if kind is Kind.QUESTION_ANSWERING:
        # [CLS] may be pointed at: there is no answer in this part of the text.
        hidden = tf.cast(input_mask == 0, tf.float32)[..., None] * 10_000.0
        first, last = tf.unstack(logits - hidden, axis=-1)
        first_target, last_target = tf.unstack(targets, axis=-1)
        return 0.5 * (
            cross_entropy(first, first_target) + cross_entropy(last, last_target)
        )
    if kind is Kind.MULTIPLE_CHOICE:
        logits = tf.reshape(logits, [tf.shape(targets)[0], -1])
    return cross_entropy(logits, targets)
