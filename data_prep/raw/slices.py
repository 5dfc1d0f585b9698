"""Raw files in: .txt, .jsonl and .tsv, plain, .gz or .zst, cut into slices.

A slice is about 16 MiB of whole records of one file; a part is what becomes one shard:
a slice, or the slices of several small files. Where the cuts lie depends on the files
and the options alone, so that any number of workers sees the same parts.
"""

import contextlib
import dataclasses
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import zstandard

from common import files
from common.cli import UserError

FORMATS = (".txt", ".jsonl", ".tsv")
_COMPRESSIONS = (".gz", ".zst")
_BLOCK = 1 << 20
# A longer line or document is no text that a model could learn from.
LONGEST_RECORD = 64 << 20
_BLANK_LINE = re.compile(rb"\n[^\S\n]*\n")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclasses.dataclass(frozen=True)
class Slice:
    """Consecutive whole records of one file, undecoded.

    Attributes:
      path: the file.
      data: complete lines.
      first_line, first_byte: where it begins in the decompressed file, from 1 and 0.
      columns: the names in a .tsv's header, which is not part of `data`.
      blank_separated: whether blank lines end the documents of a .txt.
      sure: whether the user said so, and it was not guessed from the first slice.
    """

    path: str
    data: bytes
    first_line: int
    first_byte: int
    columns: tuple[str, ...] = ()
    blank_separated: bool = False
    sure: bool = True


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Consecutive input files that are read together: one large, or several small."""

    index: int
    paths: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """What becomes one shard; parts are ordered by (bundle, index)."""

    bundle: int
    index: int
    slices: tuple[Slice, ...]

    @property
    def name(self) -> str:
        return part_name(self.bundle, self.index)


def part_name(bundle: int, index: int) -> str:
    return f"{bundle:05d}-{index:05d}"


def find_inputs(patterns: Iterable[str], flag: str = "--input") -> list[str]:
    """Files that match, sorted within each pattern, each once.

    Raises:
      UserError: a pattern matches nothing, or a folder.
    """
    paths: dict[str, None] = {}
    for pattern in patterns:
        matches = files.glob(pattern)
        if not matches:
            raise UserError(f"{flag}: no file matches {pattern!r} (from {os.getcwd()})")
        paths.update(dict.fromkeys(matches))
    for path in paths:
        if files.isdir(path):
            raise UserError(
                f"{flag}: {path} is a folder, files are needed: say '{path}/*.txt'"
            )
    return list(paths)


def format_of(path: str) -> str:
    """.txt, .jsonl or .tsv.

    Raises:
      UserError: the name tells no known format.
    """
    stem, extension = os.path.splitext(path)
    if extension in _COMPRESSIONS:
        extension = os.path.splitext(stem)[1]
    if extension not in FORMATS:
        raise UserError(
            f"--input: {path}: cannot tell its format; names end in "
            f"{', '.join(FORMATS)}, each also with {' or '.join(_COMPRESSIONS)}"
        )
    return extension


def bundles(paths: Iterable[str], size: int) -> list[Bundle]:
    """Deals files, in order, to bundles of at most `size` bytes, or of one file."""
    groups: list[list[str]] = []
    room = 0
    for path in paths:
        length = files.size(path)
        if not groups or length > room:
            groups.append([])
            room = size
        groups[-1].append(path)
        room -= length
    return [Bundle(index, tuple(group)) for index, group in enumerate(groups)]


class Reader:
    """Reads bundles in order and cuts them into parts.

    Args:
      txt_documents: "line" (each line of a .txt is a document), "blank" (blank lines
        separate them), or "auto": blank, if the first slice holds a blank line.
      slice_bytes: of decompressed text.
    """

    def __init__(self, txt_documents: str = "auto", slice_bytes: int = 16 << 20):
        self._txt_documents, self._slice_bytes = txt_documents, slice_bytes
        self._finished_bytes = 0
        self._raw: BinaryIO | None = None

    def position(self) -> int:
        """Bytes of the (compressed) files read so far."""
        return self._finished_bytes + (self._raw.tell() if self._raw else 0)

    def parts(self, bundle: Bundle) -> Iterator[Part]:
        """The bundle's parts; each holds at least one record but for an empty bundle.

        Raises:
          UserError: a damaged file, one in UTF-16, or a line or document too long.
        """
        pending: list[Slice] = []
        index = size = 0
        for path in bundle.paths:
            for piece in self._slices(path):
                pending.append(piece)
                size += len(piece.data)
                if size >= self._slice_bytes:
                    yield Part(bundle.index, index, tuple(pending))
                    pending, size, index = [], 0, index + 1
        if pending:
            yield Part(bundle.index, index, tuple(pending))

    def _slices(self, path: str) -> Iterator[Slice]:
        columns: tuple[str, ...] = ()
        line, offset = 1, 0
        for data, blank in self._blocks(path):
            if not offset:
                _refuse_utf16(path, data)
                marked = data.startswith(_UTF8_MARK)
                offset, data = (3, data[3:]) if marked else (0, data)
                if format_of(path) == ".tsv":
                    header, _, data = data.partition(b"\n")
                    columns = tuple(_text(path, header).rstrip("\r").split("\t"))
                    line, offset = 2, offset + len(header) + 1
            sure = self._txt_documents != "auto"
            yield Slice(path, data, line, offset, columns, blank, sure)
            line += data.count(b"\n")
            offset += len(data)

    def _blocks(self, path: str) -> Iterator[tuple[bytes, bool]]:
        """(at least `slice_bytes`, whether blank lines separate documents).

        Each ends behind a line, or behind a document where blank lines separate them.
        """
        pending, read, blank = b"", 0, None
        with _open(path) as (stream, raw):
            self._raw = raw
            while more := self._read(path, stream, read):
                read += len(more)
                pending = pending + more if pending else more
                if blank is None:
                    blank = self._is_blank_separated(path, more)
                if len(pending) < self._slice_bytes:
                    continue
                if cut := _last_cut(pending, blank):
                    yield pending[:cut], blank
                    pending = pending[cut:]
                elif len(pending) > LONGEST_RECORD:
                    _refuse_long(path, read - len(pending), blank)
            if pending:
                yield pending, bool(blank)
            self._raw = None
        self._finished_bytes += files.size(path)

    def _read(self, path: str, stream: BinaryIO, read: int) -> bytes:
        try:
            return stream.read(self._slice_bytes)
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise UserError(
                f"{path}: cannot be read past byte {read} of its text ({error}): "
                "the file is damaged or cut short; copy it again"
            ) from error

    def _is_blank_separated(self, path: str, head: bytes) -> bool:
        if format_of(path) != ".txt" or self._txt_documents == "line":
            return False
        return self._txt_documents == "blank" or bool(_BLANK_LINE.search(head.strip()))


def _last_cut(data: bytes, whole_documents: bool) -> int:
    """Where the last complete line or document ends; 0 if none does."""
    if not whole_documents:
        return data.rfind(b"\n") + 1
    end = len(data)
    while (end := data.rfind(b"\n", 0, end)) > 0:
        # A blank line lies between two line ends with nothing but space.
        begin = data.rfind(b"\n", 0, end)
        if not data[begin + 1 : end].strip():
            return end + 1
    return 0


def _refuse_long(path: str, offset: int, is_document: bool) -> None:
    what = "document" if is_document else "line"
    raise UserError(
        f"{path}: the {what} at byte {offset} of its text is longer than "
        f"{LONGEST_RECORD >> 20} MiB: this is not text of that format. Is a line end "
        "missing, or does --txt_documents=line fit?"
    )


def _refuse_utf16(path: str, data: bytes) -> None:
    if data.startswith(_UTF16_MARKS):
        raise UserError(
            f"{path} is UTF-16, UTF-8 is needed: iconv -f UTF-16 -t UTF-8 {path}"
        )


def _text(path: str, header: bytes) -> str:
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: line 1, the header, is not UTF-8: {error}") from error


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
def _open(path: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """(decompressed stream, raw file whose position tells the progress)."""
    with files.open_binary(path) as raw:
        if path.endswith(".gz"):
            stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), _BLOCK)
        elif path.endswith(".zst"):
            stream = io.BufferedReader(_ZstdFile(raw), _BLOCK)
        else:
            stream = raw
        yield stream, raw
