"""Rows -> what a network reads; its logits -> what they say of the rows."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from electra_tf.finetune.data.rows import Kind, Row
from electra_tf.finetune.kinds import (
    features,
    metrics,
    qa_answers,
    qa_features,
    qa_metrics,
)
from electra_tf.finetune.kinds.features import Features
from electra_tf.finetune.kinds.tagging import tags_of_units
from electra_tf.finetune.settings import Settings


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows, and what was made of them.

    Attributes:
      windows: of QUESTION_ANSWERING: which row's context each sequence is a part of.
      counts: what was found on the way.
    """

    rows: list[Row]
    features: Features
    windows: qa_features.Features | None
    counts: dict[str, int]


@dataclasses.dataclass(frozen=True)
class TaskData:
    """One task as one tokenizer sees it.

    Attributes:
      labels: in the order of the head's outputs.
    """

    kind: Kind
    labels: tuple[str, ...]
    tokenizer_json: str
    settings: Settings

    def prepare(self, rows: list[Row], training: bool = False) -> Prepared:
        """Token ids and, where rows have labels, targets."""
        if self.kind is Kind.QUESTION_ANSWERING:
            return self._windows(rows, training)
        length = self.settings.max_seq_length
        found = features.build(
            self.kind, rows, self.labels, self.tokenizer_json, length
        )
        return Prepared(rows, found, None, {"truncated": found.truncated})

    def _windows(self, rows: list[Row], training: bool) -> Prepared:
        settings = self.settings
        windows, counts = qa_features.build(
            rows,
            Tokenizer.from_str(self.tokenizer_json),
            settings.max_seq_length,
            settings.doc_stride,
            settings.max_query_length,
            drop_unanswered=training,
        )
        ends = np.stack([windows.start_positions, windows.end_positions], -1)
        found = Features(windows.input_ids, windows.segment_ids, ends, 1, 0)
        return Prepared(rows, found, windows, counts)

    def predictions(self, prepared: Prepared, logits: Sequence[np.ndarray]) -> list:
        """What is said of each row, as `rows.Row.label` would hold it.

        But for tags, which are a list for each row, and answers, which are the n best.

        Args:
          logits: of each sequence, or group of choices, in order.
        """
        if self.kind is Kind.QUESTION_ANSWERING:
            return qa_answers.best(
                prepared.windows,
                prepared.rows,
                [value[:, 0] for value in logits],
                [value[:, 1] for value in logits],
                self.settings.n_best_size,
                self.settings.max_answer_length,
            )
        if self.kind is Kind.TAGGING:
            return self._tags(prepared, logits)
        if self.kind is Kind.REGRESSION:
            return [float(value) for value in logits]
        if self.kind is Kind.MULTI_LABEL:
            return [self._names(value > 0) for value in logits]
        best = [int(value.argmax()) for value in logits]
        is_choice = self.kind is Kind.MULTIPLE_CHOICE
        return best if is_choice else [self.labels[index] for index in best]

    def _names(self, chosen: np.ndarray) -> tuple[str, ...]:
        return tuple(np.array(self.labels, object)[chosen])

    def _tags(self, prepared: Prepared, logits: Sequence[np.ndarray]) -> list:
        texts = [row.text for row in prepared.rows]
        encodings = features.encode_with_offsets(texts, self.tokenizer_json)
        lengths = prepared.features.input_ids.lengths
        return [
            tags_of_units(
                encoding.offsets,
                row.label,
                value[1 : length - 1].argmax(-1),  # without [CLS] and [SEP]
                self.labels,
            )
            for encoding, row, value, length in zip(
                encodings, prepared.rows, logits, lengths, strict=True
            )
        ]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What `scores` returns."""
        if self.kind is Kind.QUESTION_ANSWERING:
            return qa_metrics.NAMES
        names = metrics.NAMES[self.kind]
        has_f1 = self.kind is not Kind.CLASSIFICATION or len(self.labels) == 2
        return tuple(name for name in names if has_f1 or name != "f1")

    def scores(self, rows: Sequence[Row], predictions: Sequence[Any]) -> dict:
        """Every metric of the kind, by name."""
        if self.kind is Kind.QUESTION_ANSWERING:
            golds = [[answer.text for answer in row.label] for row in rows]
            return qa_metrics.scores([best[0].text for best in predictions], golds)
        labels: list[Any] = [row.label for row in rows]
        if self.kind is Kind.TAGGING:
            labels = [[unit.tag for unit in row.label] for row in rows]
        return metrics.scores(self.kind, predictions, labels, self.labels)


def probabilities(kind: Kind, logits: np.ndarray) -> np.ndarray:
    """[..., C] -> [..., C]: each label's own for MULTI_LABEL, else a distribution."""
    if kind is Kind.MULTI_LABEL:
        return 0.5 * (1.0 + np.tanh(0.5 * logits))  # the sigmoid, without overflow
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
