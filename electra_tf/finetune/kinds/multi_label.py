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

        * accuracy: the share of rows with exactly the right labels.
        * macro_f1: the mean of the labels' F1. A label that neither rows nor
          predictions have is left out.
        * weighted_f1: the same mean, weighted by how many rows have the label.
        * micro_f1: F1 of all decisions about all labels together.
        """
        scoring.check_pairs(predictions, rows)
        metrics = scoring.library(self.metrics_library)
        expected, given = (
            np.array([[name in chosen for name in labels] for chosen in column])
            for column in ([row.label for row in rows], predictions)
        )
        present = expected.any(0) | given.any(0)
        # Label by label: scikit-learn takes a table of one column for two classes.
        columns = zip(expected.T, given.T, strict=True)
        f1 = np.array([metrics.f1_score(*c, zero_division=0.0) for c in columns])
        undefined = {
            "macro_f1": (present, "no row has a label, and none was predicted"),
            "weighted_f1": (expected, "no row has a label"),
            "micro_f1": (present, "no row has a label, and none was predicted"),
        }
        compute = {
            "macro_f1": lambda: f1[present].mean(),
            "weighted_f1": lambda: np.average(f1, weights=expected.sum(0)),
            "micro_f1": lambda: metrics.f1_score(expected.ravel(), given.ravel()),
        }
        return {"accuracy": float((expected == given).all(1).mean())} | {
            name: scoring.or_nan(name, defined.any(), why, compute[name])
            for name, (defined, why) in undefined.items()
        }


MULTI_LABEL = MultiLabel()
