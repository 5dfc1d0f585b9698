"""Refuses commands whose outputs would meet their inputs, or a file that exists.

Which flags name inputs and outputs is part of their declaration; see `cli.flag`.
"""

import dataclasses
import glob
import os
from collections.abc import Iterator, Sequence
from typing import Any

from common import files
from common.errors import UserError


def check(settings: Sequence[Any]) -> None:
    """Checks the paths among a command's flags before anything is written.

    Args:
      settings: dataclasses whose fields are flags, filled.

    Raises:
      UserError: an output folder is, contains or lies inside an input; an output file
        is an input; or it exists, and --overwrite is not passed.
    """
    flags = [
        (field, getattr(values, field.name))
        for values in settings
        for field in dataclasses.fields(values)
    ]
    overwrites = any(field.name == "overwrite" and value for field, value in flags)
    inputs = [
        (field.name, path) for field, value in flags for path in _inputs(field, value)
    ]
    for field, value in flags:
        kind = field.metadata.get("writes")
        if not kind or not value:
            continue
        for name, path in inputs:
            _check_apart(f"--{field.name}={value}", value, kind, name, path)
        if kind == "file" and files.exists(value) and not overwrites:
            raise UserError(
                f"--{field.name}={value} exists: choose another name, or pass "
                "--overwrite to replace it"
            )


def _inputs(field: dataclasses.Field, value: Any) -> Iterator[str]:
    """Paths that a flag reads; of a pattern, what it matches."""
    reads = field.metadata.get("reads")
    if not reads or not value:
        return
    for path in (value,) if isinstance(value, str) else value:
        if path.lstrip().startswith("{"):  # JSON itself, where a file may be named
            continue
        if glob.has_magic(path):
            yield from files.glob(path)
        subfolders = () if reads is True else reads
        yield from (os.path.join(path, name) for name in subfolders)
        if reads is True:
            yield path


def _check_apart(flag: str, output: str, kind: str, name: str, source: str) -> None:
    output, source = _absolute(output), _absolute(source)
    if output == source:
        relation = "is"
    elif source.startswith(output.rstrip("/") + "/"):
        relation = "contains"
    elif kind == "folder" and output.startswith(source.rstrip("/") + "/"):
        relation = "lies inside"
    else:
        return
    raise UserError(
        f"{flag} {relation} the input --{name}, {source}: choose another {kind}, apart "
        "from everything that is read"
    )


def _absolute(path: str) -> str:
    """Without links, also those that a path has above what is missing."""
    return path.rstrip("/") if files.is_remote(path) else os.path.realpath(path)
