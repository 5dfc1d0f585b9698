"""The format .jsonl: each line is a JSON object with named fields."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from common.errors import UserError
from data_prep.raw.records import ReadSettings, Records, Rows, from_rows
from data_prep.raw.slices import Slice, Source, decode, last_line_end

_scan_json = json.JSONDecoder().scan_once


def cut(source: Source, settings: ReadSettings) -> Iterator[Slice]:
    return source.slices(last_line_end)


def parse(piece: Slice, settings: ReadSettings) -> Records:
    lines, counts = decode(piece, settings.on_decode_error)
    return from_rows(piece, _rows(piece, lines), settings, counts)


def parse_value(text: str, where: str) -> Any:
    """One JSON value.

    Args:
      where: the value's place, for the error.

    Raises:
      UserError: the text is not exactly one value.
    """
    text = text.strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON ({error}): {text[:80]}") from error


def _rows(piece: Slice, lines: list[str]) -> Rows:
    # All lines at once, unless one is unusual; a failing scan ends the map early.
    try:
        scanned = list(map(_scan_json, lines, itertools.repeat(0)))
    except (ValueError, RecursionError):
        scanned = []
    whole = [end for _, end in scanned] == list(map(len, lines))
    if whole and all(type(record) is dict for record, _ in scanned):
        numbers = list(range(piece.first_line, piece.first_line + len(lines)))
        return numbers, [record for record, _ in scanned]
    return _rows_one_by_one(piece, lines)


def _rows_one_by_one(piece: Slice, lines: list[str]) -> Rows:
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, line in piece.numbered(lines):
        if not line.strip():
            continue
        record = parse_value(line, f"{piece.path}: line {number}")
        if not isinstance(record, dict):
            raise UserError(
                f"{piece.path}: line {number} is a JSON {type(record).__name__}, "
                f"an object with fields is needed: {line[:80]}"
            )
        numbers.append(number)
        rows.append(record)
    return numbers, rows
