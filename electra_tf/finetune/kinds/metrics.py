"""Scores of predictions against labels, as scikit-learn, scipy and seqeval define them.

Predictions and labels are what `rows.Row.label` holds for the kind of task, but for
tags: there a list of tags for each row. What is undefined is nan, and a warning says
why: it is never a silent 0. Scores of QUESTION_ANSWERING are not here.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import logging

from common.cli import UserError
from electra_tf.finetune.data.rows import Kind

# What `scores` returns, by kind. F1 of one class alone is there for two labels only.
NAMES = {
    Kind.CLASSIFICATION: ("accuracy", "macro_f1", "weighted_f1", "f1"),
    Kind.MULTI_LABEL: ("accuracy", "macro_f1", "weighted_f1", "micro_f1"),
    Kind.REGRESSION: ("pearson", "spearman"),
    Kind.MULTIPLE_CHOICE: ("accuracy", "macro_f1", "weighted_f1"),
    Kind.TAGGING: (
        "entity_f1",
        "entity_precision",
        "entity_recall",
        "token_accuracy",
    ),
}
_LIBRARIES = {
    Kind.CLASSIFICATION: "sklearn.metrics",
    Kind.MULTI_LABEL: "sklearn.metrics",
    Kind.REGRESSION: "scipy.stats",
    Kind.MULTIPLE_CHOICE: "sklearn.metrics",
    Kind.TAGGING: "seqeval.metrics",
}


def scores(
    kind: Kind,
    predictions: Sequence[Any],
    labels: Sequence[Any],
    label_names: Sequence[str] = (),
) -> dict[str, float]:
    """Every score of a kind of task, by the names of NAMES.

    * accuracy: of MULTI_LABEL, the share of rows with exactly the right labels.
    * macro_f1: the mean of the classes' F1. A class that no row has and none was given
      has no F1 and is left out, as scikit-learn does where it is told of no classes.
      KoELECTRA's "F1" of the Korean hate speech corpus is this one, over the three
      values of its column `hate`.
    * weighted_f1: the same mean, weighted by how many rows have the class.
    * f1: of two labels, that of the second.
    * micro_f1: of all decisions about all labels together.
    * pearson, spearman: correlation with the labels; in [-1, 1].
    * entity_f1, entity_precision, entity_recall: of whole entities, right if both their
      ends and their type are; conlleval's reading of B- and I- tags.
    * token_accuracy: the share of units with the right tag.

    Raises:
      ValueError: there is nothing to score, or not as many predictions as labels.
    """
    if len(labels) == 0 or len(predictions) != len(labels):
        raise ValueError(f"{len(predictions)} predictions for {len(labels)} labels")
    if kind is Kind.REGRESSION:
        return _correlations(predictions, labels)
    if kind is Kind.TAGGING:
        return _tag_scores(predictions, labels)
    if kind is Kind.MULTI_LABEL:
        return _multi_label_scores(predictions, labels, label_names)
    if kind is Kind.QUESTION_ANSWERING:
        raise ValueError("answers are scored elsewhere")
    names = label_names if kind is Kind.CLASSIFICATION else ()
    return _class_scores(predictions, labels, names)


def _class_scores(
    predictions: Sequence[Any], labels: Sequence[Any], label_names: Sequence[str]
) -> dict[str, float]:
    metrics = _library("sklearn.metrics")
    found = {"accuracy": float(metrics.accuracy_score(labels, predictions))}
    for average in ("macro", "weighted"):
        f1 = metrics.f1_score(labels, predictions, average=average, zero_division=0.0)
        found[f"{average}_f1"] = float(f1)
    if len(label_names) == 2:
        positive = label_names[1]
        said, expected = ([n == positive for n in x] for x in (predictions, labels))
        found["f1"] = _or_nan(
            "f1",
            any(said) or any(expected),
            f"no row is {positive!r}, nor was one said to be",
            lambda: metrics.f1_score(expected, said),
        )
    return found


def _multi_label_scores(
    predictions: Sequence[Sequence[str]],
    labels: Sequence[Sequence[str]],
    label_names: Sequence[str],
) -> dict[str, float]:
    metrics = _library("sklearn.metrics")
    expected, said = (
        np.array([[name in row for name in label_names] for row in rows])
        for rows in (labels, predictions)
    )
    present = expected.any(0) | said.any(0)
    # Label by label: scikit-learn takes a table of one column for two classes.
    columns = zip(expected.T, said.T, strict=True)
    f1 = np.array([metrics.f1_score(*column, zero_division=0.0) for column in columns])
    nowhere = "no row has a label, nor was given one"
    return {
        "accuracy": float((expected == said).all(1).mean()),
        "macro_f1": _or_nan(
            "macro_f1", present.any(), nowhere, lambda: f1[present].mean()
        ),
        "weighted_f1": _or_nan(
            "weighted_f1",
            expected.any(),
            "no row has a label",
            lambda: np.average(f1, weights=expected.sum(0)),
        ),
        "micro_f1": _or_nan(
            "micro_f1",
            present.any(),
            nowhere,
            lambda: metrics.f1_score(expected.ravel(), said.ravel()),
        ),
    }


def _correlations(
    predictions: Sequence[float], labels: Sequence[float]
) -> dict[str, float]:
    stats = _library("scipy.stats")
    given = {"predictions": np.asarray(predictions, np.float64)}
    given["labels"] = np.asarray(labels, np.float64)
    if not np.isfinite(given["predictions"]).all():
        why = "a prediction is not finite"
    else:
        constant = [name for name, values in given.items() if np.ptp(values) == 0]
        why = f"all {' and all '.join(constant)} are equal" if constant else ""
    return {
        name: _or_nan(
            name,
            not why,
            why,
            lambda function=function: function(*given.values()).statistic,
        )
        for name, function in (
            ("pearson", stats.pearsonr),
            ("spearman", stats.spearmanr),
        )
    }


def _tag_scores(
    predictions: Sequence[Sequence[str]], labels: Sequence[Sequence[str]]
) -> dict[str, float]:
    seqeval = _library("seqeval.metrics")
    entities = _library("seqeval.metrics.sequence_labeling").get_entities
    said, expected = ([list(row) for row in rows] for rows in (predictions, labels))
    num_said, num_expected = len(entities(said)), len(entities(expected))
    right = np.concatenate(
        [np.equal(*pair) for pair in zip(said, expected, strict=True)]
    )
    return {
        "entity_f1": _or_nan(
            "entity_f1",
            num_said + num_expected > 0,
            "no row has an entity, nor was given one",
            lambda: seqeval.f1_score(expected, said, zero_division=0),
        ),
        "entity_precision": _or_nan(
            "entity_precision",
            num_said > 0,
            "no entity was predicted",
            lambda: seqeval.precision_score(expected, said),
        ),
        "entity_recall": _or_nan(
            "entity_recall",
            num_expected > 0,
            "no row has an entity",
            lambda: seqeval.recall_score(expected, said, zero_division=0),
        ),
        "token_accuracy": _or_nan(
            "token_accuracy", right.size > 0, "no row has a unit", right.mean
        ),
    }


def _or_nan(name: str, defined: bool, why: str, compute: Callable[[], float]) -> float:
    """The score; nan, and a warning that says why, where it is undefined."""
    if not defined:
        logging.warning("%s is undefined: %s", name, why)
        return math.nan
    return float(compute())


def check_library(kind: Kind) -> None:
    """Raises UserError where what the scores of a kind need is not installed."""
    if kind in _LIBRARIES:
        _library(_LIBRARIES[kind])


def _library(name: str) -> Any:
    """A module of scikit-learn, scipy or seqeval, which only fine-tuning needs."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"scoring needs {name.split('.')[0]}: "
            "pip install 'korean-electra-tf[finetune]'"
        ) from error
