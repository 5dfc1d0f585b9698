"""Any number of labels. A row's label is a tuple of names."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from electra_tf.finetune.kinds import scoring
from electra_tf.finetune.kinds.base import Kind, Logits, Prepared, Reading, Scores
from electra_tf.finetune.kinds.rows import Labels, Row, as_text


class MultiLabel(Kind):
    name = "multi_label"
    metrics = ("accuracy", "macro_f1", "weighted_f1", "micro_f1")
    default_metric = "micro_f1"
    problem_type = "multi_label_classification"
    # Rows without any label say nothing, but one label tells rows apart.
    min_distinct = 1

    def read_label(self, value: Any, names: Labels, separator: str) -> tuple[str, ...]:
        """From a list in JSON, or from text with a separator between the names."""
        parts = value if isinstance(value, list) else as_text(value).split(separator)
        stripped = (as_text(part).strip() for part in parts)
        return tuple(dict.fromkeys(name for name in stripped if name))

    def names(self, label: tuple[str, ...]) -> Iterable[str]:
        return label

    def targets(self, rows: list[Row], labels: Labels) -> np.ndarray:
        """float32 [rows, labels], 0 or 1."""
        number = {label: i for i, label in enumerate(labels)}
        targets = np.zeros([len(rows), len(labels)], np.float32)
        for i, row in enumerate(rows):
            targets[i, [number[label] for label in row.label]] = 1.0
        return targets

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        names = np.array(reading.labels, object)
        return [tuple(names[value > 0]) for value in logits]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """[..., C] -> [..., C]: the sigmoid, without overflow."""
        return 0.5 * (1.0 + np.tanh(0.5 * logits))

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        """Scores of the decisions about each label, as scikit-learn defines them.

        Those of `scoring.mean_f1`, and
        * accuracy: the share of rows with exactly the right labels.
        * micro_f1: F1 of all decisions about all labels together.
        """
        scoring.check_pairs(predictions, rows)
        expected, given = (
            np.array([[name in chosen for name in labels] for chosen in column])
            for column in ([row.label for row in rows], predictions)
        )
        return {
            "accuracy": float((expected == given).all(1).mean()),
            **scoring.mean_f1(given, expected),
            "micro_f1": scoring.ratio(
                "micro_f1",
                2 * (expected & given).sum(),
                expected.sum() + given.sum(),
                "no row has a label, and none was predicted",
            ),
        }


MULTI_LABEL = MultiLabel()
