"""Slices: whole records of one file, cut out of it as bytes and decoded to lines."""

import contextlib
import dataclasses
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from backports import zstd

from common.errors import UserError
from data_prep.raw import inputs

SLICE_BYTES = 16 << 20
# A longer line or document is not text that a model could learn from.
LONGEST_RECORD = 64 << 20
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NOT_ASCII = re.compile(rb"[\x00\x80-\xff]")


@dataclasses.dataclass(frozen=True)
class Slice:
    """Consecutive whole records of one file, undecoded.

    Attributes:
      path: the file.
      data: complete lines.
      first_line, first_byte: where it begins in the decompressed file, from 1 and 0.
      layout: what the format's `cut` tells its `parse`, such as a .tsv's columns.
    """

    path: str
    data: bytes
    first_line: int
    first_byte: int
    layout: Any = None

    def numbered(self, lines: list[str]) -> Iterator[tuple[int, str]]:
        """(line number in the file, line) of its decoded lines."""
        return enumerate(lines, self.first_line)


class Source:
    """An open file that is cut into slices.

    Attributes:
      path: the file.
      head: its first bytes, decompressed; at most `slice_bytes`.
    """

    def __init__(self, path: str, stream: BinaryIO, raw: BinaryIO, slice_bytes: int):
        self.path = path
        self._stream, self._raw, self._slice_bytes = stream, raw, slice_bytes
        self._read_bytes = 0
        self.head = self._read()

    def position(self) -> int:
        """Bytes of the (compressed) file read so far."""
        return self._raw.tell()

    def slices(self, last_end: Callable[[bytes], int]) -> Iterator[Slice]:
        """Slices of at least `slice_bytes`, but for the last.

        Args:
          last_end: where the last complete record of some bytes ends; 0 if none does.

        Raises:
          UserError: a damaged file, one in UTF-16, or a record that is too long.
        """
        line, offset = 1, 0
        for data in self._blocks(last_end):
            if not offset and data.startswith(_UTF16_MARKS):
                raise UserError(
                    f"{self.path} is UTF-16, UTF-8 is needed: "
                    f"iconv -f UTF-16 -t UTF-8 {self.path}"
                )
            if not offset and data.startswith(_UTF8_MARK):
                offset, data = len(_UTF8_MARK), data[len(_UTF8_MARK) :]
            yield Slice(self.path, data, line, offset)
            line += data.count(b"\n")
            offset += len(data)

    def _blocks(self, last_end: Callable[[bytes], int]) -> Iterator[bytes]:
        pending, more = b"", self.head
        while more:
            pending = pending + more if pending else more
            if len(pending) >= self._slice_bytes:
                if end := last_end(pending):
                    yield pending[:end]
                    pending = pending[end:]
                elif len(pending) > LONGEST_RECORD:
                    raise UserError(
                        f"{self.path}: the record at byte "
                        f"{self._read_bytes - len(pending)} of its text is longer than "
                        f"{LONGEST_RECORD >> 20} MiB: this is not text of that format. "
                        "Is a line end missing, or is --txt_documents=line right?"
                    )
            more = self._read()
        if pending:
            yield pending

    def _read(self) -> bytes:
        try:
            data = self._stream.read(self._slice_bytes)
        except (EOFError, OSError, zlib.error, zstd.ZstdError) as error:
            raise UserError(
                f"{self.path}: cannot be read past byte {self._read_bytes} of its text "
                f"({error}): the file is damaged or truncated; copy it again"
            ) from error
        self._read_bytes += len(data)
        return data


@contextlib.contextmanager
def open_source(path: str, slice_bytes: int = SLICE_BYTES) -> Iterator[Source]:
    with inputs.open_stream(path) as (stream, raw):
        yield Source(path, stream, raw, slice_bytes)


def last_line_end(data: bytes) -> int:
    """Where the last complete line ends; 0 if none does."""
    return data.rfind(b"\n") + 1


def decode(piece: Slice, on_error: str = "") -> tuple[list[str], Counter]:
    """Lines without their ends, and counts of bytes and decode_errors.

    Args:
      on_error: the value of --on_decode_error; empty where there is no such flag.

    Raises:
      UserError: not UTF-8, or a NUL byte, and on_error is not "replace".
    """
    counts = Counter(bytes=len(piece.data))
    data = piece.data.removesuffix(b"\n")
    try:
        if b"\0" in data:
            start = data.index(b"\0")
            raise UnicodeDecodeError("utf-8", data, start, start + 1, "a NUL byte")
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        if on_error != "replace":
            raise _decode_error(piece, error.start, on_error) from error
        lines = []
        for raw in data.split(b"\n"):
            line = raw.decode("utf-8", errors="replace").replace("\0", "\ufffd")
            counts["decode_errors"] += line.encode("utf-8") != raw
            lines.append(line)
    return [line.removesuffix("\r") for line in lines], counts


def _decode_error(piece: Slice, start: int, on_error: str) -> UserError:
    data = piece.data
    line = data[data.rfind(b"\n", 0, start) + 1 :].partition(b"\n")[0]
    problem = "a NUL byte" if data[start : start + 1] == b"\0" else "invalid UTF-8"
    hint = ""
    if problem == "invalid UTF-8" and _is_cp949(line):
        hint = f" (it reads as CP949: iconv -f CP949 -t UTF-8 '{piece.path}')"
    number = piece.first_line + data.count(b"\n", 0, start)
    other = ", or pass --on_decode_error=replace" if on_error else ""
    return UserError(
        f"{piece.path}: {problem} at byte {piece.first_byte + start} (line {number}): "
        f"{data[start : start + 4]!r}{hint}. Convert the file to UTF-8{other}"
    )


def _is_cp949(line: bytes) -> bool:
    try:
        text = line.decode("cp949")
    except UnicodeDecodeError:
        return False
    return bool(_NOT_ASCII.search(line)) and any("가" <= c <= "힣" for c in text)
