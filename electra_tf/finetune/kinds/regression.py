"""A number. A row's label is a float."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from electra_tf.finetune.kinds import scoring
from electra_tf.finetune.kinds.base import Kind, Logits, Prepared, Reading, Scores
from electra_tf.finetune.kinds.rows import Labels, Row, label_text


class Regression(Kind):
    name = "regression"
    metrics = ("pearson", "spearman")
    default_metric = "spearman"
    metrics_library = "scipy.stats"
    problem_type = "regression"
    num_outputs = 1
    min_distinct_to_score = 2
    has_probabilities = False

    def read_label(self, value: Any, names: Labels, separator: str) -> float:
        text = label_text(value)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"is {text!r}, not a number")
        return number

    def distinct(self, label: float) -> Iterable[float]:
        return (label,)

    def targets(self, rows: list[Row], labels: Labels) -> np.ndarray:
        """float32 [rows]."""
        return np.array([row.label for row in rows], np.float32)

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        return [float(value) for value in logits]

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        """Correlations with the labels, in [-1, 1], as scipy defines them."""
        scoring.check_pairs(predictions, rows)
        stats = scoring.library(self.metrics_library)
        columns = {"predictions": predictions, "labels": [row.label for row in rows]}
        columns = {name: np.asarray(x, np.float64) for name, x in columns.items()}
        if not np.isfinite(columns["predictions"]).all():
            why = "a prediction is not finite"
        else:
            constant = [name for name, values in columns.items() if np.ptp(values) == 0]
            why = f"all {' and all '.join(constant)} are equal" if constant else ""
        functions = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
        if why:
            return {name: scoring.undefined(name, why) for name in functions}
        return {n: float(f(*columns.values()).statistic) for n, f in functions.items()}


REGRESSION = Regression()
