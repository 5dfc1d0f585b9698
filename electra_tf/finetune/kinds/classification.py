"""One label of several. A row's label is the label's name."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from electra_tf.finetune.kinds import scoring
from electra_tf.finetune.kinds.base import Kind, Logits, Prepared, Reading, Scores
from electra_tf.finetune.kinds.rows import Labels, Row, label_text, matching


class Classification(Kind):
    name = "classification"
    metrics = ("accuracy", "macro_f1", "weighted_f1", "f1")
    default_metric = "accuracy"
    problem_type = "single_label_classification"

    def read_label(self, value: Any, names: Labels, separator: str) -> str:
        return matching(label_text(value), names)

    def names(self, label: str) -> Iterable[str]:
        return (label,)

    def targets(self, rows: list[Row], labels: Labels) -> np.ndarray:
        """int32 [rows]."""
        number = {label: i for i, label in enumerate(labels)}
        return np.array([number[row.label] for row in rows], np.int32)

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        return [reading.labels[value.argmax()] for value in logits]

    def metric_names(self, labels: Labels) -> Labels:
        return self.metrics if len(labels) == 2 else self.metrics[:-1]  # without f1

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        """Those of `class_scores`; with two labels also f1, that of the second."""
        expected = [row.label for row in rows]
        scores = class_scores(predictions, expected)
        if len(labels) == 2:
            second, metrics = labels[1], scoring.library(self.metrics_library)
            given, wanted = ([n == second for n in x] for x in (predictions, expected))
            scores["f1"] = scoring.or_nan(
                "f1",
                any(given) or any(wanted),
                f"no row has the label {second!r}, and none was predicted",
                lambda: metrics.f1_score(wanted, given),
            )
        return scores


def class_scores(predictions: Sequence[Any], labels: Sequence[Any]) -> dict[str, float]:
    """Scores of one class per row, as scikit-learn defines them.

    * macro_f1: the mean of the classes' F1. A class that neither labels nor predictions
      have is left out. KoELECTRA's "F1" of the Korean hate speech corpus is this one,
      over the three values of its column `hate`.
    * weighted_f1: the same mean, weighted by how many rows have the class.
    """
    scoring.check_pairs(predictions, labels)
    metrics = scoring.library("sklearn.metrics")
    scores = {"accuracy": float(metrics.accuracy_score(labels, predictions))}
    for average in ("macro", "weighted"):
        f1 = metrics.f1_score(labels, predictions, average=average, zero_division=0.0)
        scores[f"{average}_f1"] = float(f1)
    return scores


CLASSIFICATION = Classification()
