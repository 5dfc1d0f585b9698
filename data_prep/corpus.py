"""Raw documents in: .txt, .jsonl and .tsv, plain, .gz or .zst.

A document is a list of lines (str, no newline, not blank). Everything is streamed.
"""

import contextlib
import dataclasses
import gzip
import io
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import zstandard
from absl import logging

from data_prep import files
from data_prep.cli import UserError

Document = list[str]

FORMATS = (".txt", ".jsonl", ".tsv")
_COMPRESSIONS = (".gz", ".zst")
# Lines of a .txt that are looked at to tell its two layouts apart.
_PEEK_LINES = 10_000


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How records become documents.

    Attributes:
      text_field: name of the text in .jsonl and .tsv.
      group_field: consecutive records with one value of it form one document.
      txt_documents: "line" (each line of a .txt is one), "blank" (blank lines separate
        them), or "auto" (blank, if the first 10,000 lines hold a blank line).
      on_decode_error: "strict" or "replace" (invalid bytes become U+FFFD, counted).
    """

    text_field: str = ""
    group_field: str = ""
    txt_documents: str = "auto"
    on_decode_error: str = "strict"


def find_inputs(patterns: Iterable[str]) -> list[str]:
    """Files that match, sorted within each pattern, each once.

    Raises:
      UserError: a pattern matches nothing, or a folder, or a name of no known format.
    """
    paths: dict[str, None] = {}
    for pattern in patterns:
        matches = files.glob(pattern)
        if not matches:
            raise UserError(
                f"--input: no file matches {pattern!r} (from {os.getcwd()})"
            )
        paths.update(dict.fromkeys(matches))
    for path in paths:
        if files.isdir(path):
            raise UserError(
                f"--input: {path} is a folder, files are needed: say '{path}/*.txt'"
            )
        _format_of(path)
    return list(paths)


def _format_of(path: str) -> str:
    stem, extension = os.path.splitext(path)
    if extension in _COMPRESSIONS:
        extension = os.path.splitext(stem)[1]
    if extension not in FORMATS:
        raise UserError(
            f"--input: {path}: cannot tell its format; names end in "
            f"{', '.join(FORMATS)}, each also with {' or '.join(_COMPRESSIONS)}"
        )
    return extension


class _ZstdFile(io.RawIOBase):
    """All frames of a .zst; zstandard's own reader takes a cut one for a whole one."""

    def __init__(self, raw: BinaryIO):
        self._raw = raw
        self._frame: Any = None
        self._compressed = self._text = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._text:
            self._compressed = self._compressed or self._raw.read(1 << 17)
            if not self._compressed:
                if self._frame:
                    raise EOFError("the last frame has no end")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._text = self._frame.decompress(self._compressed)
            self._compressed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._text))
        buffer[:size], self._text = self._text[:size], self._text[size:]
        return size


@contextlib.contextmanager
def _open_lines(path: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """(decompressed stream, raw file whose position tells the progress)."""
    with files.open_binary(path) as raw:
        if path.endswith(".gz"):
            stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20)
        elif path.endswith(".zst"):
            stream = io.BufferedReader(_ZstdFile(raw), 1 << 20)
        else:
            stream = raw
        yield stream, raw


class Reader:
    """Reads documents from files in order and counts what it saw.

    Attributes:
      counts: files, bytes (of text, decompressed), records, documents, decode_errors,
        regrouped (records whose group had already ended: sort the input by the field).
    """

    def __init__(self, paths: list[str], options: ReadOptions):
        self.paths = paths
        self.total_bytes = sum(files.size(path) for path in paths)
        self.counts = Counter(dict.fromkeys(("records", "documents", "regrouped"), 0))
        self._options = options
        self._seen_groups: set[int] = set()
        self._finished_bytes = 0
        self._raw: BinaryIO | None = None

    def position(self) -> int:
        """Bytes of the (compressed) files read so far, of `total_bytes`."""
        return self._finished_bytes + (self._raw.tell() if self._raw else 0)

    def documents(self) -> Iterator[Document]:
        for path in self.paths:
            for document in self._documents_of(path):
                if document:
                    self.counts["documents"] += 1
                    yield document

    def _documents_of(self, path: str) -> Iterator[Document]:
        self.counts["files"] += 1
        extension = _format_of(path)
        with _open_lines(path) as (stream, raw):
            self._raw = raw
            lines = self._decoded_lines(path, stream)
            if extension == ".txt":
                yield from self._text_documents(path, lines)
            else:
                records = _json_records if extension == ".jsonl" else _tsv_records
                yield from self._grouped(path, records(path, lines))
            self._raw = None
        self._finished_bytes += files.size(path)

    def _decoded_lines(self, path: str, stream: BinaryIO) -> Iterator[tuple[int, str]]:
        """(line number from 1, text without its line end)."""
        offset = 0
        try:
            for number, line in enumerate(stream, 1):
                yield number, self._decode(path, line, number, offset)
                offset += len(line)
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise UserError(
                f"{path}: cannot be read past byte {offset} of its text ({error}): "
                "the file is damaged or cut short; copy it again"
            ) from error
        self.counts["bytes"] += offset

    def _decode(self, path: str, line: bytes, number: int, offset: int) -> str:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            if self._options.on_decode_error != "replace":
                raise UserError(
                    f"{path}: invalid UTF-8 at byte {offset + error.start} (line "
                    f"{number}): {line[error.start : error.end]!r}. Convert the file, "
                    "or say --on_decode_error=replace to go on"
                ) from error
            self.counts["decode_errors"] += 1
            text = line.decode("utf-8", errors="replace")
        return text.rstrip("\r\n").removeprefix("\ufeff" if number == 1 else "")

    def _text_documents(
        self, path: str, lines: Iterator[tuple[int, str]]
    ) -> Iterator[Document]:
        layout, lines = _text_layout(self._options.txt_documents, lines)
        how = "each line is one" if layout == "line" else "blank lines separate them"
        logging.info("%s: documents: %s", path, how)
        document: Document = []
        blank_at = 0
        for number, line in lines:
            self.counts["records"] += 1
            if line.strip():
                if (
                    blank_at
                    and layout == "line"
                    and self._options.txt_documents == "auto"
                ):
                    raise UserError(
                        f"{path}: line {blank_at} is blank, but the first "
                        f"{_PEEK_LINES} lines had no blank line, so each was taken for "
                        "a document: say --txt_documents=blank or --txt_documents=line"
                    )
                document.append(line)
            elif layout == "line":
                blank_at = number
            if document and (layout == "line" or not line.strip()):
                yield document
                document = []
        yield document

    def _grouped(
        self, path: str, records: Iterator[tuple[int, dict[str, Any]]]
    ) -> Iterator[Document]:
        """Joins consecutive records with one group value."""
        document: Document = []
        current: Any = object()  # equals no group
        for number, record in records:
            self.counts["records"] += 1
            text = _field(
                record, self._options.text_field, "--text_field", path, number
            )
            group = number
            if self._options.group_field:
                name = self._options.group_field
                group = _field(record, name, "--group_field", path, number)
            if group != current:
                yield document
                document, current = [], group
                self._note_group(group)
            document += [line for line in str(text or "").split("\n") if line.strip()]
        yield document

    def _note_group(self, group: Any) -> None:
        if self._options.group_field:
            key = hash(str(group))
            self.counts["regrouped"] += key in self._seen_groups
            self._seen_groups.add(key)


def _text_layout(
    asked: str, lines: Iterator[tuple[int, str]]
) -> tuple[str, Iterator[tuple[int, str]]]:
    if asked != "auto":
        return asked, lines
    head = [line for _, line in zip(range(_PEEK_LINES), lines, strict=False)]
    blank_inside = any(
        not before.strip() and after.strip()
        for (_, before), (_, after) in zip(head, head[1:], strict=False)
    )
    return "blank" if blank_inside else "line", _chain(head, lines)


def _chain(head: list, rest: Iterator) -> Iterator:
    yield from head
    yield from rest


def _json_records(
    path: str, lines: Iterator[tuple[int, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise UserError(
                f"{path}: line {number} is a JSON {type(record).__name__}, "
                f"an object with fields is needed: {line[:80]}"
            )
        yield number, record


def _tsv_records(
    path: str, lines: Iterator[tuple[int, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by their header's names; quotes are ordinary characters."""
    _, header = next(lines, (1, ""))
    names = header.split("\t")
    for number, line in lines:
        values = line.split("\t")
        if len(values) != len(names):
            raise UserError(
                f"{path}: line {number} has {len(values)} columns, the header has "
                f"{len(names)}: {', '.join(names)}"
            )
        yield number, dict(zip(names, values, strict=True))


def _field(record: dict[str, Any], name: str, flag: str, path: str, number: int) -> Any:
    if name not in record:
        raise UserError(
            f"{path}: line {number} has no field {name!r}; it has "
            f"{', '.join(record)}. Say one of these with {flag}"
        )
    return record[name]
