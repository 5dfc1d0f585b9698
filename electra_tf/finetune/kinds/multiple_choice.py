"""Which choice continues the text. A row's label is the choice's index."""

from typing import Any

import numpy as np

from electra_tf.config import TransformerConfig
from electra_tf.finetune.kinds.base import Kind, Logits, Prepared, Reading, Scores
from electra_tf.finetune.kinds.classification import class_scores
from electra_tf.finetune.kinds.rows import Labels, Row, label_text, matching


class MultipleChoice(Kind):
    name = "multiple_choice"
    metrics = ("accuracy", "macro_f1", "weighted_f1")
    default_metric = "accuracy"
    architecture = "ElectraForMultipleChoice"
    num_outputs = 1
    has_choices = True
    min_distinct = 0
    fits_tsv = False

    def read_label(self, value: Any, names: Labels, separator: str) -> int:
        """`names` are those of the choices, in order."""
        text = matching(label_text(value), names)
        if text not in names:
            raise ValueError(f"is {text!r}, not one of the choices {', '.join(names)}")
        return names.index(text)

    def all_labels(self, given: Labels, in_train: set[str]) -> Labels:
        return ()  # the head has one output; `given` names the choices

    def texts(self, rows: list[Row]) -> tuple[list[str], list[str], int]:
        """A sequence for each choice: the text and the choice."""
        first = [row.text for row in rows for _ in row.choices]
        second = [choice for row in rows for choice in row.choices]
        return first, second, len(rows[0].choices)

    def targets(self, rows: list[Row], labels: Labels) -> np.ndarray:
        """int32 [rows]."""
        return np.array([row.label for row in rows], np.int32)

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        return [int(value.argmax()) for value in logits]

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        return class_scores(predictions, [row.label for row in rows])

    def hf_config(self, network: TransformerConfig) -> dict[str, Any]:
        return {
            "summary_type": "first",
            "summary_use_proj": True,
            "summary_activation": "gelu",
            "summary_last_dropout": network.hidden_dropout_prob,
        }


MULTIPLE_CHOICE = MultipleChoice()
