"""The format .tsv: columns named by a header; quotes are ordinary characters."""

import dataclasses
from collections.abc import Iterator

from common.errors import UserError
from data_prep.raw.records import ReadSettings, Records, Rows, from_rows
from data_prep.raw.slices import Slice, Source, decode, last_line_end, open_source


def cut(source: Source, settings: ReadSettings) -> Iterator[Slice]:
    """Slices without the header; their layout is its names."""
    columns: tuple[str, ...] = ()
    for piece in source.slices(last_line_end):
        if not columns:
            header, _, data = piece.data.partition(b"\n")
            try:
                columns = tuple(header.decode("utf-8").rstrip("\r").split("\t"))
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{piece.path}: line 1, the header, is not UTF-8: {error}"
                ) from error
            for name in (
                settings.text_field,
                settings.group_field,
                settings.sort_field,
            ):
                if columns.count(name) > 1:
                    raise UserError(
                        f"{piece.path}: {columns.count(name)} columns are named "
                        f"{name!r}: rename all but one"
                    )
            begin = piece.first_byte + len(header) + 1
            piece = Slice(piece.path, data, 2, begin)
        yield dataclasses.replace(piece, layout=columns)


def parse(piece: Slice, settings: ReadSettings) -> Records:
    lines, counts = decode(piece, settings.on_decode_error)
    return from_rows(piece, _rows(piece, lines), settings, counts)


def read(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, fields) of each row of a file of any name.

    Raises:
      UserError: not UTF-8, or rows with another number of columns.
    """
    with open_source(path) as source:
        for piece in cut(source, ReadSettings()):
            yield from zip(*_rows(piece, decode(piece)[0]), strict=True)


def _rows(piece: Slice, lines: list[str]) -> Rows:
    numbers: list[int] = []
    rows: list[dict[str, str]] = []
    columns = piece.layout
    for number, line in piece.numbered(lines):
        if not line:
            continue
        values = line.split("\t")
        if len(values) != len(columns):
            raise UserError(
                f"{piece.path}: line {number} has {len(values)} columns, the header "
                f"has {len(columns)}: {', '.join(columns)}"
            )
        numbers.append(number)
        rows.append(dict(zip(columns, values, strict=True)))
    return numbers, rows
