"""What the scores of all kinds share: missing packages, undefined values."""

import importlib
import math
from collections.abc import Callable
from typing import Any

from absl import logging

from common.cli import UserError


def library(name: str) -> Any:
    """A module of scikit-learn, scipy or seqeval, which only fine-tuning needs.

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


def or_nan(name: str, defined: bool, why: str, compute: Callable[[], float]) -> float:
    """The score; nan, and a warning that says why, where it is undefined."""
    if not defined:
        logging.warning("%s is undefined: %s", name, why)
        return math.nan
    return float(compute())


def check_pairs(predictions: Any, rows: Any) -> None:
    """Raises ValueError unless there is a prediction for each of one row or more."""
    if not len(rows) or len(predictions) != len(rows):
        raise ValueError(f"{len(predictions)} predictions for {len(rows)} labels")
