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

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        return [reading.labels[value.argmax()] for value in logits]

    def metric_names(self, labels: Labels) -> Labels:
        return self.metrics if len(labels) == 2 else self.metrics[:-1]  # without f1

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        """Those of `class_scores`; with two labels also f1, that of the second."""
        expected = [row.label for row in rows]
        scores = class_scores(predictions, expected)
        if len(labels) == 2:
            second = labels[1]
            pairs = zip(predictions, expected, strict=True)
            scores["f1"] = scoring.ratio(
                "f1",
                2 * sum(given == wanted == second for given, wanted in pairs),
                predictions.count(second) + expected.count(second),
                f"no row has the label {second!r}, and none was predicted",
            )
        return scores


def class_scores(predictions: Sequence[Any], labels: Sequence[Any]) -> dict[str, float]:
    """Scores of one class per row: accuracy and those of `scoring.mean_f1`.

    KoELECTRA's "F1" of the Korean hate speech corpus is macro_f1, over the three values
    of its column `hate`.
    """
    scoring.check_pairs(predictions, labels)
    classes = np.array(sorted({*predictions, *labels}))
    given, expected = (np.array(x)[:, None] == classes for x in (predictions, labels))
    accuracy = float((given & expected).any(1).mean())
    return {"accuracy": accuracy, **scoring.mean_f1(given, expected)}


CLASSIFICATION = Classification()
