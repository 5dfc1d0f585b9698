"""What each kind of task puts on the encoder, and its loss: transformers' heads.

B rows, L sequence length, H hidden size, C outputs.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.finetune.kinds.tagging import NO_LABEL
from electra_tf.model.compiled_ops import cross_entropy
from electra_tf.model.dropout import RandomStream, dropout
from electra_tf.model.layers import Dense, Initializer, gelu


class _Head(tf.Module):
    """Dense layers on the encoder: all but the last are of the hidden size.

    `layers` maps their attributes to the names of their variables.
    """

    layers: dict[str, str]

    def __init__(self, config: TransformerConfig, outputs: int, init: Initializer):
        super().__init__()
        self._dropout = config.hidden_dropout_prob
        size = config.hidden_size
        for number, (attribute, name) in enumerate(self.layers.items(), 1):
            is_last = number == len(self.layers)
            layer = Dense(name, size, outputs if is_last else size, init)
            setattr(self, attribute, layer)


class TextHead(_Head):
    """[CLS] -> outputs: ElectraForSequenceClassification.

    The original has one layer here, transformers two; ours must load in transformers.
    """

    layers = {"dense": "classifier/dense", "out_proj": "classifier/out_proj"}

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, C]."""
        x = dropout(hidden[:, 0], self._dropout, random)
        x = dropout(gelu(self.dense(x)), self._dropout, random)
        return self.out_proj(x)


class ChoiceHead(_Head):
    """[CLS] -> how well a choice fits: ElectraForMultipleChoice."""

    layers = {"summary": "sequence_summary/summary", "classifier": "classifier"}

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, C]."""
        x = gelu(self.summary(hidden[:, 0]))
        return self.classifier(dropout(x, self._dropout, random))


class TokenHead(_Head):
    """Every token -> outputs: ElectraForTokenClassification."""

    layers = {"classifier": "classifier"}

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, L, C]."""
        return self.classifier(dropout(hidden, self._dropout, random))


class SpanHead(_Head):
    """Every token -> where the answer begins and ends: ElectraForQuestionAnswering."""

    layers = {"qa_outputs": "qa_outputs"}

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, L, 2]."""
        return self.qa_outputs(hidden)


# Losses: logits, targets, input_mask int32 [B, L] -> the loss of each row, float32 [B].
# They are those of transformers, except as stated.
Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def class_loss(logits: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Targets int32 [B]: the class."""
    return cross_entropy(logits, targets)


def multi_label_loss(logits: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Targets float32 [B, C]: 0 or 1 for each label."""
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_mean(each, -1)


def number_loss(logits: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Targets float32 [B]."""
    return tf.square(logits - targets)


def choice_loss(logits: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Targets int32 [B]: the right choice. Logits are those of all choices in turn."""
    return cross_entropy(tf.reshape(logits, [tf.shape(targets)[0], -1]), targets)


def tag_loss(logits: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Targets int32 [B, L]: a class or NO_LABEL.

    The mean over a row's labelled tokens, so that short rows count as much as long
    ones; transformers takes the mean over all tokens of a batch.
    """
    has_label = tf.cast(targets != NO_LABEL, tf.float32)
    each = has_label * cross_entropy(logits, tf.maximum(targets, 0))
    return tf.math.divide_no_nan(tf.reduce_sum(each, -1), tf.reduce_sum(has_label, -1))


def span_loss(logits: tf.Tensor, targets: tf.Tensor, input_mask: tf.Tensor):
    """Targets int32 [B, 2]: the answer's first and last token.

    Padding is left out of the softmax, unlike in transformers. [CLS] is not: it stands
    for "no answer in this part of the text".
    """
    hidden = tf.cast(input_mask == 0, tf.float32)[..., None] * 10_000.0
    first, last = tf.unstack(logits - hidden, axis=-1)
    first_target, last_target = tf.unstack(targets, axis=-1)
    return 0.5 * (cross_entropy(first, first_target) + cross_entropy(last, last_target))


class Output(NamedTuple):
    """What a SavedModel's signature returns.

    Attributes:
      compute: logits -> that.
    """

    name: str
    compute: Callable[[tf.Tensor], tf.Tensor]
    per_token: bool = False


class Head(NamedTuple):
    """What a kind of task adds to the encoder.

    Attributes:
      output: None if the kind reads more than one text, which a signature cannot.
    """

    network: type[_Head]
    loss: Loss
    output: Output | None = None


_SOFTMAX = Output("probabilities", tf.nn.softmax)
HEADS = {
    "classification": Head(TextHead, class_loss, _SOFTMAX),
    "multi_label": Head(
        TextHead, multi_label_loss, Output("probabilities", tf.sigmoid)
    ),
    "regression": Head(TextHead, number_loss, Output("score", lambda logits: logits)),
    "multiple_choice": Head(ChoiceHead, choice_loss),
    "tagging": Head(TokenHead, tag_loss, _SOFTMAX._replace(per_token=True)),
    "question_answering": Head(SpanHead, span_loss),
}
