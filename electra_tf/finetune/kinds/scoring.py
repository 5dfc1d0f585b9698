"""What the scores of all kinds share: F1, missing packages, undefined values."""

import importlib
import math
from typing import Any

import numpy as np
from absl import logging

from common.errors import UserError


def library(name: str) -> Any:
    """A module of scipy or seqeval, which only fine-tuning needs.

    Raises:
      UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"scoring needs {name.split('.')[0]}: "
            "pip install 'korean-electra-tf[finetune]'"
        ) from error


def undefined(name: str, why: str) -> float:
    """nan, and a warning."""
    logging.warning("%s is undefined: %s", name, why)
    return math.nan


def ratio(name: str, part: float, whole: float, why: str) -> float:
    """The score; undefined where it is 0 / 0."""
    return float(part / whole) if whole else undefined(name, why)


def mean_f1(given: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Means of the classes' F1, from bool [rows, classes] each, as in scikit-learn.

    * macro_f1: a class that neither rows nor predictions have is left out.
    * weighted_f1: weighted by how many rows have the class.
    """
    wanted = expected.sum(0)
    either = given.sum(0) + wanted
    f1 = 2 * (given & expected).sum(0) / np.maximum(either, 1)
    nowhere = "no row has a label, and none was predicted"
    return {
        "macro_f1": ratio("macro_f1", f1.sum(), np.count_nonzero(either), nowhere),
        "weighted_f1": ratio(
            "weighted_f1", f1 @ wanted, wanted.sum(), "no row has a label"
        ),
    }


def check_pairs(predictions: Any, rows: Any) -> None:
    """Raises ValueError unless there is a prediction for each of one row or more."""
    if not len(rows) or len(predictions) != len(rows):
        raise ValueError(f"{len(predictions)} predictions for {len(rows)} labels")
