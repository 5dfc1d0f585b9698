"""Runs commands: their flags, which fill dataclasses, their --help and their errors."""

import dataclasses
import inspect
import platform
import shutil
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from absl import app, flags, logging

from common import paths
from common.errors import UserError

Settings = TypeVar("Settings")

_HELP = ("-h", "-?", "-help", "--help", "-helpshort", "--helpshort")


def flag(
    default: Any,
    help: str,
    choices: Sequence[str] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    required: bool = False,
    reads: bool | Sequence[str] = False,
    writes: str = "",
) -> Any:
    """A dataclass field that is also a flag of the same name; see `run`.

    The field's annotation gives the flag's type: str, int, float, bool, one of these
    or None, or tuple[str, ...] for values separated by commas.

    Args:
      reads: it names files or folders that are read; a sequence: folders in the one
        that it names, of which alone is read.
      writes: "folder" or "file", if it names one that is written. See `paths.check`.
    """
    limits = {"lower_bound": at_least, "upper_bound": at_most}
    metadata = {"help": help, "choices": choices, "limits": limits}
    metadata |= {"required": required, "reads": reads, "writes": writes}
    return dataclasses.field(default=default, metadata=metadata)


def run(main: Callable[..., None], appendix: str = "") -> None:
    """Runs a command: `main`, whose parameters are dataclasses made of flags.

    Each is filled from the command line. --help lists every flag, grouped by dataclass
    under the first line of its docstring, then the appendix. Stray arguments are
    refused. Logs at INFO unless --verbosity is given. A UserError becomes one message
    and exit code 1.
    """
    parameters = inspect.signature(main).parameters.values()
    settings_types = [parameter.annotation for parameter in parameters]
    for settings_type in settings_types:
        define_flags(settings_type)
    if settings_types and any(argument in _HELP for argument in sys.argv[1:]):
        description = inspect.getmodule(main).__doc__ or ""
        print(help_text(description, settings_types, appendix))
        return

    def wrapped(argv: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.INFO)
        logging.info("Python %s, %s", platform.python_version(), platform.platform())
        try:
            if len(argv) > 1:
                raise UserError(
                    f"unexpected argument {argv[1]!r}: flags are written --name=value, "
                    "and patterns need quotes"
                )
            settings = list(map(from_flags, settings_types))
            paths.check(settings)
            main(*settings)
        except UserError as error:
            logging.error("%s", error)
            sys.exit(1)

    app.run(wrapped)


def define_flags(settings: type) -> None:
    """Defines a flag for each field of a dataclass, once."""
    for field in dataclasses.fields(settings):
        name, default, options = field.name, field.default, field.metadata
        if name in flags.FLAGS:
            continue
        kind = _flag_type(field)
        if options["choices"]:
            flags.DEFINE_enum(name, default, options["choices"], options["help"])
        elif kind is bool:
            flags.DEFINE_bool(name, default, options["help"])
        elif kind is int:
            flags.DEFINE_integer(name, default, options["help"], **options["limits"])
        elif kind is float:
            flags.DEFINE_float(name, default, options["help"], **options["limits"])
        elif kind is tuple:
            flags.DEFINE_list(name, list(default or ()), options["help"])
        else:
            flags.DEFINE_string(name, default, options["help"])


def _flag_type(field: dataclasses.Field) -> type:
    if typing.get_origin(field.type) is tuple:
        return tuple
    kinds = {kind for kind in typing.get_args(field.type) or (field.type,)}
    (kind,) = kinds - {types.NoneType}
    return kind


def from_flags(settings: type[Settings]) -> Settings:
    """The dataclass, filled from the command line.

    Raises:
      UserError: a required flag is missing.
    """
    values = {
        field.name: flags.FLAGS[field.name].value
        for field in dataclasses.fields(settings)
    }
    for field in dataclasses.fields(settings):
        if field.metadata["required"] and not values[field.name]:
            raise UserError(
                f"--{field.name} is required: {field.metadata['help']} "
                "--help lists all flags"
            )
    lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
    return settings(**{**values, **lists})


def help_text(
    description: str, settings_types: Sequence[type], appendix: str = ""
) -> str:
    """What --help prints: the description, then every flag with its default."""
    width = max(60, min(100, shutil.get_terminal_size((88, 24)).columns))
    parts = [description.strip()]
    for settings_type in settings_types:
        lines = [settings_type.__doc__.strip().splitlines()[0].rstrip(".") + ":"]
        for field in dataclasses.fields(settings_type):
            lines += _flag_help(field, width)
        parts.append("\n".join(lines))
    parts += [appendix] if appendix else []
    parts.append("--verbosity=-1 logs warnings only; --helpfull adds absl's own flags.")
    return "\n\n".join(parts)


def _flag_help(field: dataclasses.Field, width: int) -> list[str]:
    options, default = field.metadata, field.default
    name, text = f"--{field.name}=", options["help"].rstrip()
    if options["choices"]:
        name += "|".join(options["choices"])
    elif _flag_type(field) is bool:
        name = f"--[no]{field.name}"
    else:
        words = {tuple: "A,B", int: "N", float: "X", str: "TEXT"}
        name += words[_flag_type(field)]
    if options["required"]:
        text += " (required)"
    elif default not in (None, "", ()):
        shown = ",".join(default) if isinstance(default, tuple) else default
        text += f" (default: {str(shown).lower() if shown in (True, False) else shown})"
    indent = " " * 6
    wrapped = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent
    )
    return textwrap.wrap(name, width, initial_indent="  ", break_long_words=False) + (
        wrapped
    )
