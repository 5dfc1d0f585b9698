"""Records: what a slice of a raw file contains, still as it was written."""

import dataclasses
from collections import Counter
from typing import Any

from common.cli import flag
from common.errors import UserError
from data_prep.raw.slices import Slice

# Lines, none of them blank or with a line end inside.
Document = list[str]


@dataclasses.dataclass(frozen=True)
class ReadSettings:
    """How files become records, and records documents."""

    text_field: str = flag("", "Field of .jsonl and .tsv that contains the text.")
    group_field: str = flag(
        "",
        "Field whose equal values join records to one document; a record whose value "
        "is null stays alone.",
    )
    sort_field: str = flag(
        "", "Field that orders the records of a group (default: the input's order)."
    )
    txt_documents: str = flag(
        "auto",
        "Documents of a .txt: each line, or the lines between blank lines. auto: "
        "blank, if there is a blank line in the first 16 MiB.",
        choices=("auto", "line", "blank"),
    )
    on_decode_error: str = flag(
        "strict",
        "Invalid UTF-8: stop with file, line and byte, or replace the bytes and count "
        "the lines.",
        choices=("strict", "replace"),
    )


@dataclasses.dataclass
class Records:
    """What a slice contains, one entry a record in each list.

    Attributes:
      documents: a record may have no line.
      numbers: line of the file, from 1, at which each begins.
      groups, sort_values: values of --group_field and --sort_field; empty without.
      counts: bytes and decode_errors (lines with replaced bytes); `reader.parse` adds
        records and blank_records.
    """

    documents: list[Document]
    numbers: list[int]
    groups: list[Any]
    sort_values: list[Any]
    counts: Counter


# Line numbers, and the fields of each row.
Rows = tuple[list[int], list[dict[str, Any]]]


def from_rows(
    piece: Slice, rows: Rows, settings: ReadSettings, counts: Counter
) -> Records:
    """The records of a format with named fields.

    Raises:
      UserError: a row lacks one of the settings' fields, or its text is none.
    """
    numbers, fields = rows

    def column(flag: str) -> list[Any]:
        name = getattr(settings, flag)
        try:
            return [row[name] for row in fields] if name else []
        except KeyError:
            index = next(i for i, row in enumerate(fields) if name not in row)
        raise UserError(
            f"{piece.path}: line {numbers[index]} has no field {name!r}; it has "
            f"{', '.join(fields[index])}. Pass one of these as --{flag}"
        )

    texts = column("text_field")
    for number, text in zip(numbers, texts, strict=True):
        if isinstance(text, (list, dict)):
            raise UserError(
                f"{piece.path}: line {number}: {settings.text_field!r} is a JSON "
                f"{type(text).__name__}, text is needed: {str(text)[:80]}"
            )
    documents = list(map(_lines, texts))
    groups, sort_values = column("group_field"), column("sort_field")
    return Records(documents, numbers, groups, sort_values, counts)


def _lines(text: Any) -> Document:
    if not isinstance(text, str):
        text = "" if text is None else str(text)
    if "\n" in text:
        return [line for line in text.split("\n") if line.strip()]
    return [text] if text.strip() else []
