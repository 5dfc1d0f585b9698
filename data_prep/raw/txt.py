"""The format .txt: each line is a document, or blank lines separate them."""

import dataclasses
import re
from collections.abc import Iterator
from typing import NamedTuple

from common.errors import UserError
from data_prep.raw.records import Document, ReadSettings, Records
from data_prep.raw.slices import Slice, Source, decode, last_line_end

_BLANK_LINE = re.compile(rb"\n[^\S\n]*\n")


class Layout(NamedTuple):
    """How the documents of a file are separated, and whether that is a guess."""

    blank_separated: bool
    guessed: bool


def cut(source: Source, settings: ReadSettings) -> Iterator[Slice]:
    choice = settings.txt_documents
    blank = choice == "blank"
    if choice == "auto":
        blank = bool(_BLANK_LINE.search(source.head.strip()))
    layout = Layout(blank, choice == "auto")
    for piece in source.slices(_last_document_end if blank else last_line_end):
        yield dataclasses.replace(piece, layout=layout)


def _last_document_end(data: bytes) -> int:
    end = len(data)
    while (end := data.rfind(b"\n", 0, end)) > 0:
        # A blank line lies between two line ends with only space between them.
        begin = data.rfind(b"\n", 0, end)
        if not data[begin + 1 : end].strip():
            return end + 1
    return 0


def parse(piece: Slice, settings: ReadSettings) -> Records:
    lines, counts = decode(piece, settings.on_decode_error)
    separate = _blank_separated if piece.layout.blank_separated else _line_by_line
    return Records(*separate(piece, lines), [], [], counts)


def _line_by_line(piece: Slice, lines: list[str]) -> tuple[list[Document], list[int]]:
    documents = [[line] if line.strip() else [] for line in lines]
    if piece.layout.guessed and [] in documents:
        blank = documents.index([])
        # Blank lines at the end of the file separate nothing.
        if any(documents[blank:]):
            raise UserError(
                f"{piece.path}: line {piece.first_line + blank} is blank, but the "
                "first 16 MiB have no blank line, so each line was taken for a "
                "document: pass --txt_documents=blank or --txt_documents=line"
            )
    return documents, list(range(piece.first_line, piece.first_line + len(lines)))


def _blank_separated(
    piece: Slice, lines: list[str]
) -> tuple[list[Document], list[int]]:
    documents: list[Document] = []
    numbers: list[int] = []
    inside = False
    for number, line in piece.numbered(lines):
        if not line.strip():
            inside = False
        elif inside:
            documents[-1].append(line)
        else:
            inside = True
            documents.append([line])
            numbers.append(number)
    return documents, numbers
