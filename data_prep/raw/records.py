"""Slices of raw files -> records: documents of lines, still as they were written."""

import dataclasses
import itertools
import json
import re
from collections import Counter
from typing import Any

from common.cli import UserError
from data_prep.raw.slices import Slice, format_of
from data_prep.stages.shards import Document

_scan_json = json.JSONDecoder().scan_once
_STRAY = re.compile(rb"[\x00\x80-\xff]")


@dataclasses.dataclass(frozen=True)
class RecordOptions:
    """How records become documents.

    Attributes:
      text_field: name of the text in .jsonl and .tsv.
      group_field: records with one value of it form one document.
      sort_field: orders the records of a group; without it input order does.
      on_decode_error: "strict" or "replace" (invalid bytes and NULs become U+FFFD).
    """

    text_field: str = ""
    group_field: str = ""
    sort_field: str = ""
    on_decode_error: str = "strict"


@dataclasses.dataclass
class Records:
    """What a slice holds, one entry a record in each list.

    Attributes:
      documents: lines that are not blank; a record may have none.
      numbers: line of the file, from 1, at which each begins.
      groups, sort_values: of the fields named in the options; empty lists without.
      counts: records, blank_records, decode_errors (lines with replaced bytes), bytes.
    """

    documents: list[Document]
    numbers: list[int]
    groups: list[Any]
    sort_values: list[Any]
    counts: Counter


def parse(piece: Slice, options: RecordOptions) -> Records:
    """The records of a slice.

    Raises:
      UserError: not UTF-8, not JSON, another number of columns, or a missing field.
    """
    counts = Counter(bytes=len(piece.data))
    lines = _decoded_lines(piece, options, counts)
    if format_of(piece.path) == ".txt":
        read = _blank_separated if piece.blank_separated else _line_by_line
        documents, numbers = read(piece, lines)
        found = Records(documents, numbers, [], [], counts)
    else:
        rows = _json_rows if format_of(piece.path) == ".jsonl" else _tsv_rows
        found = _from_fields(piece, rows(piece, lines), options, counts)
    counts["records"] = len(found.documents)
    counts["blank_records"] = found.documents.count([])
    return found


def _decoded_lines(piece: Slice, options: RecordOptions, counts: Counter) -> list[str]:
    """Lines without their ends; the last is not the empty one behind the last end."""
    data = piece.data.removesuffix(b"\n")
    try:
        if b"\0" in data:
            where = data.index(b"\0")
            raise UnicodeDecodeError("utf-8", data, where, where + 1, "a NUL byte")
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        if options.on_decode_error != "replace":
            raise _decode_error(piece, error) from error
        lines = []
        for raw in data.split(b"\n"):
            line = raw.decode("utf-8", errors="replace").replace("\0", "\ufffd")
            counts["decode_errors"] += line.encode("utf-8") != raw
            lines.append(line)
    return [line.removesuffix("\r") for line in lines]


def _decode_error(piece: Slice, error: UnicodeDecodeError) -> UserError:
    data, start = piece.data, error.start
    line = data[data.rfind(b"\n", 0, start) + 1 :].partition(b"\n")[0]
    what = "a NUL byte" if data[start : start + 1] == b"\0" else "invalid UTF-8"
    hint = ""
    if what == "invalid UTF-8" and _is_cp949(line):
        hint = f" (it reads as CP949: iconv -f CP949 -t UTF-8 '{piece.path}')"
    number = piece.first_line + data.count(b"\n", 0, start)
    return UserError(
        f"{piece.path}: {what} at byte {piece.first_byte + start} (line {number}): "
        f"{data[start : start + 4]!r}{hint}. Convert the file, or say "
        "--on_decode_error=replace to go on"
    )


def _is_cp949(line: bytes) -> bool:
    try:
        text = line.decode("cp949")
    except UnicodeDecodeError:
        return False
    return bool(_STRAY.search(line)) and any("가" <= c <= "힣" for c in text)


def _line_by_line(piece: Slice, lines: list[str]) -> tuple[list[Document], list[int]]:
    documents = [[line] if line.strip() else [] for line in lines]
    if not piece.sure and [] in documents:
        blank = documents.index([])
        # Blank lines at the end of the file separate nothing.
        if any(documents[blank:]):
            raise UserError(
                f"{piece.path}: line {piece.first_line + blank} is blank, but the "
                "first 16 MiB held no blank line, so each was taken for a document: "
                "say --txt_documents=blank or --txt_documents=line"
            )
    return documents, list(range(piece.first_line, piece.first_line + len(lines)))


def _blank_separated(
    piece: Slice, lines: list[str]
) -> tuple[list[Document], list[int]]:
    documents: list[Document] = []
    numbers: list[int] = []
    inside = False
    for number, line in enumerate(lines, piece.first_line):
        if not line.strip():
            inside = False
        elif inside:
            documents[-1].append(line)
        else:
            inside = True
            documents.append([line])
            numbers.append(number)
    return documents, numbers


# Line numbers, and the fields of each row.
_Rows = tuple[list[int], list[dict[str, Any]]]


def _from_fields(
    piece: Slice, rows: _Rows, options: RecordOptions, counts: Counter
) -> Records:
    numbers, fields = rows

    def column(name: str, flag: str) -> list[Any]:
        try:
            return [row[name] for row in fields] if name else []
        except KeyError:
            index = next(i for i, row in enumerate(fields) if name not in row)
        raise UserError(
            f"{piece.path}: line {numbers[index]} has no field {name!r}; it has "
            f"{', '.join(fields[index])}. Say one of these with {flag}"
        )

    texts = column(options.text_field, "--text_field")
    groups = column(options.group_field, "--group_field")
    sort_values = column(options.sort_field, "--sort_field")
    return Records(list(map(_lines, texts)), numbers, groups, sort_values, counts)


def _lines(text: Any) -> Document:
    if not isinstance(text, str):
        text = "" if text is None else str(text)
    if "\n" in text:
        return [line for line in text.split("\n") if line.strip()]
    return [text] if text.strip() else []


def _json_rows(piece: Slice, lines: list[str]) -> _Rows:
    # All at once where nothing is amiss; a failing scan ends the map early.
    try:
        found = list(map(_scan_json, lines, itertools.repeat(0)))
    except (ValueError, RecursionError):
        found = []
    whole = [end for _, end in found] == list(map(len, lines))
    if whole and all(type(record) is dict for record, _ in found):
        numbers = list(range(piece.first_line, piece.first_line + len(lines)))
        return numbers, [record for record, _ in found]
    return _json_rows_one_by_one(piece, lines)


def _json_rows_one_by_one(piece: Slice, lines: list[str]) -> _Rows:
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, piece.first_line):
        line = line.strip()
        if not line:
            continue
        try:
            record, end = _scan_json(line, 0)
            if end != len(line):
                raise ValueError(f"more text at column {end + 1}")
        except (ValueError, RecursionError, StopIteration) as error:
            raise UserError(
                f"{piece.path}: line {number} is not JSON ({error or 'no value'}): "
                f"{line[:80]}"
            ) from error
        if not isinstance(record, dict):
            raise UserError(
                f"{piece.path}: line {number} is a JSON {type(record).__name__}, "
                f"an object with fields is needed: {line[:80]}"
            )
        numbers.append(number)
        rows.append(record)
    return numbers, rows


def _tsv_rows(piece: Slice, lines: list[str]) -> _Rows:
    """Rows by their header's names; quotes are ordinary characters."""
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, piece.first_line):
        if not line:
            continue
        values = line.split("\t")
        if len(values) != len(piece.columns):
            raise UserError(
                f"{piece.path}: line {number} has {len(values)} columns, the header "
                f"has {len(piece.columns)}: {', '.join(piece.columns)}"
            )
        numbers.append(number)
        rows.append(dict(zip(piece.columns, values, strict=True)))
    return numbers, rows
