"""What is put on the encoder for a task: transformers' heads, parameter by parameter.

B rows, L sequence length, H hidden size, C outputs.
"""

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.finetune.data.rows import Kind
from electra_tf.model.dropout import RandomStream, dropout
from electra_tf.model.layers import Dense, Initializer, gelu


class TextHead(tf.Module):
    """[CLS] -> outputs: ElectraForSequenceClassification.

    The original has one layer here, transformers two; the latter is what loads there.
    """

    def __init__(self, config: TransformerConfig, outputs: int, init: Initializer):
        super().__init__()
        size = config.hidden_size
        self._dropout = config.hidden_dropout_prob
        self.dense = Dense("classifier/dense", size, size, init)
        self.out_proj = Dense("classifier/out_proj", size, outputs, init)

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, C]."""
        x = dropout(hidden[:, 0], self._dropout, random)
        x = dropout(gelu(self.dense(x)), self._dropout, random)
        return self.out_proj(x)


class ChoiceHead(tf.Module):
    """[CLS] -> how well a choice fits: ElectraForMultipleChoice."""

    def __init__(self, config: TransformerConfig, outputs: int, init: Initializer):
        super().__init__()
        size = config.hidden_size
        self._dropout = config.hidden_dropout_prob
        self.summary = Dense("sequence_summary/summary", size, size, init)
        self.classifier = Dense("classifier", size, outputs, init)

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, C]."""
        x = gelu(self.summary(hidden[:, 0]))
        return self.classifier(dropout(x, self._dropout, random))


class TokenHead(tf.Module):
    """Every token -> outputs: ElectraForTokenClassification."""

    def __init__(self, config: TransformerConfig, outputs: int, init: Initializer):
        super().__init__()
        self._dropout = config.hidden_dropout_prob
        self.classifier = Dense("classifier", config.hidden_size, outputs, init)

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, L, C]."""
        return self.classifier(dropout(hidden, self._dropout, random))


class SpanHead(tf.Module):
    """Every token -> where the answer begins and ends: ElectraForQuestionAnswering."""

    def __init__(self, config: TransformerConfig, outputs: int, init: Initializer):
        super().__init__()
        self.qa_outputs = Dense("qa_outputs", config.hidden_size, outputs, init)

    def __call__(self, hidden: tf.Tensor, random: RandomStream | None) -> tf.Tensor:
        """[B, L, H] -> [B, L, 2]."""
        return self.qa_outputs(hidden)


HEADS = {
    Kind.CLASSIFICATION: TextHead,
    Kind.MULTI_LABEL: TextHead,
    Kind.REGRESSION: TextHead,
    Kind.MULTIPLE_CHOICE: ChoiceHead,
    Kind.TAGGING: TokenHead,
    Kind.QUESTION_ANSWERING: SpanHead,
}


def num_outputs(kind: Kind, num_labels: int) -> int:
    """C: one for a number or a choice, two for a span, else one a label."""
    fixed = {
        Kind.REGRESSION: 1,
        Kind.MULTIPLE_CHOICE: 1,
        Kind.QUESTION_ANSWERING: 2,
    }
    return fixed.get(kind, num_labels)
