"""Checks of settings, that name what was found and what is allowed."""

import difflib
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from common.cli import UserError


class Range(NamedTuple):
    """Which numbers a group of settings may be."""

    allows: Any  # number -> bool
    words: str


POSITIVE = Range(lambda value: value > 0, "must be above 0")
NOT_NEGATIVE = Range(lambda value: value >= 0, "must not be negative")
SHARE = Range(lambda value: 0 < value < 1, "must be between 0 and 1")
DROPOUT = Range(lambda value: 0 <= value < 1, "must be in [0, 1)")


def check_ranges(settings: Any, ranges: dict[Range, Iterable[str]]) -> None:
    """Refuses numbers that are not finite or outside their range.

    Args:
      settings: an object with the settings as attributes.

    Raises:
      UserError: names the setting and its value.
    """
    for name, value in vars(settings).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{name}={value} must be a finite number")
    for allowed, names in ranges.items():
        for name in names:
            value = getattr(settings, name)
            if not allowed.allows(value):
                raise UserError(f"{name}={value} {allowed.words}")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuses a word that is not one of the choices."""
    if value not in choices:
        raise UserError(f"{name}={value!r}: choose {', '.join(choices)}")


def check_names(given: Iterable[str], known: set[str], where: str) -> None:
    """Refuses unknown names, with the nearest valid ones.

    Raises:
      UserError: a name is unknown.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UserError(
                f"{where}: no hyperparameter is called {name!r}{hint} "
                f"All names: {', '.join(sorted(known))}"
            )


def typed(name: str, value: Any, wanted: type, where: str) -> Any:
    """`value` if it is of the type; the original writes None for 0.

    Raises:
      UserError: it is of another type.
    """
    if value is None and wanted in (int, dict):
        return wanted()
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is int and type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not wanted:
        raise UserError(
            f"{where}: {name}={value!r} is a {type(value).__name__}, "
            f"a {wanted.__name__} is needed"
        )
    return value
