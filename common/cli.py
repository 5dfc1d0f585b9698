"""How every script starts and fails, and flags that fill a dataclass."""

import dataclasses
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from absl import app, flags, logging

Settings = TypeVar("Settings")


class UserError(Exception):
    """Something the user can mend: says what was found, where, and what to do."""


def flag(
    default: Any,
    help: str,
    choices: Sequence[str] = (),
    at_least: float | None = None,
    at_most: float | None = None,
) -> Any:
    """A dataclass field that `define_flags` makes a flag of the same name for."""
    limits = {"lower_bound": at_least, "upper_bound": at_most}
    metadata = {"help": help, "choices": choices, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


def define_flags(settings: type) -> None:
    """Defines a flag for each field of a dataclass; its default gives the type."""
    for field in dataclasses.fields(settings):
        name, default, help_ = field.name, field.default, field.metadata["help"]
        if field.metadata["choices"]:
            flags.DEFINE_enum(name, default, field.metadata["choices"], help_)
        elif isinstance(default, bool):
            flags.DEFINE_bool(name, default, help_)
        elif isinstance(default, int):
            flags.DEFINE_integer(name, default, help_, **field.metadata["limits"])
        elif isinstance(default, float):
            flags.DEFINE_float(name, default, help_, **field.metadata["limits"])
        elif isinstance(default, tuple):
            flags.DEFINE_list(name, list(default), help_)
        else:
            flags.DEFINE_string(name, default, help_)


def from_flags(settings: type[Settings]) -> Settings:
    """The dataclass, filled from the command line."""
    values = {
        field.name: flags.FLAGS[field.name].value
        for field in dataclasses.fields(settings)
    }
    lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
    return settings(**{**values, **lists})


def run(main: Callable[[], None]) -> None:
    """Runs an absl script's `main`.

    Refuses stray arguments, logs at INFO unless --verbosity says otherwise, and turns a
    UserError into one readable message and exit code 1.
    """

    def wrapped(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected argument {argv[1]!r}: options are written --name=value, "
                "and patterns need quotes"
            )
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.INFO)
        logging.info("Python %s, %s", platform.python_version(), platform.platform())
        try:
            main()
        except UserError as error:
            logging.error("%s", error)
            sys.exit(1)

    app.run(wrapped)
