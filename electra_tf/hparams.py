"""Hyperparameters: each is declared once, as a field, with all its properties.

Checks, --help, the table in docs/training.md, what a resumed run may change and what
the original's hparams.json gets follow from `hparam`.
"""

import dataclasses
import difflib
import json
import math
import textwrap
import typing
from typing import Any, NamedTuple

from common.errors import UserError


class Range(NamedTuple):
    """Which numbers a hyperparameter may be."""

    allows: Any  # number -> bool
    words: str


POSITIVE = Range(lambda value: value > 0, "above 0")
NOT_NEGATIVE = Range(lambda value: value >= 0, "0 or more")
SHARE = Range(lambda value: 0 < value < 1, "between 0 and 1")
# Logits divided by less could overflow float32.
TEMPERATURE = Range(lambda value: value >= 0.001, "0.001 or more")
# Dropout rounds a rate to a multiple of 2^-16: neither to 0 nor to 1.
DROPOUT = Range(
    lambda value: value == 0 or 0.0001 <= value <= 0.9999, "0, or 0.0001 to 0.9999"
)


def hparam(
    default: Any,
    help: str,
    allowed: Range | None = None,
    choices: typing.Sequence[str] = (),
    may_change: bool = False,
    original: bool = True,
) -> Any:
    """A field of a dataclass of hyperparameters.

    Args:
      default: dataclasses.MISSING if a value is required.
      may_change: a resumed run may change it.
      original: google-research/electra has it.
    """
    metadata = {"help": help, "allowed": allowed, "choices": choices}
    metadata |= {"may_change": may_change, "original": original}
    if default == {}:
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def names(settings: type, **declared: bool) -> set[str]:
    """The hyperparameters declared so, as with may_change=True."""
    return {
        field.name
        for field in dataclasses.fields(settings)
        if declared.items() <= field.metadata.items()
    }


def check_values(settings: Any) -> None:
    """Refuses a hyperparameter that is not finite, or not in its range or choices.

    Raises:
      UserError: names it and its value.
    """
    for field in dataclasses.fields(settings):
        name, value = field.name, getattr(settings, field.name)
        allowed, choices = field.metadata["allowed"], field.metadata["choices"]
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{name}={value} must be a finite number")
        if allowed and not allowed.allows(value):
            raise UserError(f"{name}={value} must be {allowed.words}")
        if choices and value not in choices:
            raise UserError(f"{name}={value!r} must be one of {', '.join(choices)}")


def typed(settings: type, values: dict[str, Any], where: str) -> dict[str, Any]:
    """The values, converted to the types of the hyperparameters they are for.

    Args:
      where: the values come from, for messages.

    Raises:
      UserError: a name is unknown, with the nearest ones, or a type is wrong.
    """
    types = {field.name: field.type for field in dataclasses.fields(settings)}
    for name in values:
        if name not in types:
            near = difflib.get_close_matches(name, sorted(types), n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else "."
            raise UserError(
                f"{where}: no hyperparameter is called {name!r}{hint} "
                f"All names: {', '.join(sorted(types))}"
            )
    return {name: _typed(name, v, types[name], where) for name, v in values.items()}


def _typed(name: str, value: Any, declared: type, where: str) -> Any:
    wanted = typing.get_origin(declared) or declared
    if value is None and wanted in (int, dict):
        return wanted()  # the original writes None for 0
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is int and type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not wanted:
        raise UserError(
            f"{where}: {name}={value!r} has type {type(value).__name__}, "
            f"it must have type {wanted.__name__}"
        )
    return value


def default_text(field: dataclasses.Field) -> str:
    """The default as JSON has it; empty without one."""
    if field.default_factory is not dataclasses.MISSING:
        return json.dumps(field.default_factory())
    return "" if field.default is dataclasses.MISSING else json.dumps(field.default)


def help_text(settings: type, width: int = 88) -> str:
    """A line for each hyperparameter, with its default."""
    lines = []
    for field in dataclasses.fields(settings):
        name = f"  {field.name}={default_text(field)}"
        lines += textwrap.wrap(
            field.metadata["help"],
            width,
            initial_indent=f"{name:37}",
            subsequent_indent=" " * 37,
        )
    return "\n".join(lines)
