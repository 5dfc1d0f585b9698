"""Raw files of any format, cut into parts and parsed into records.

A slice is about 16 MiB of whole records of one file; a part is what becomes one shard:
a slice, or the slices of several small files. Where the cuts lie depends on the files
and the settings alone, so that any number of workers sees the same parts.

A new format is a module with two functions, named in FORMATS:
  cut(source, settings)   the slices of an open file, on the machine that reads it
  parse(piece, settings)  the records of a slice, on a worker
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from common import files
from common.errors import UserError
from data_prep.raw import jsonl, tsv, txt
from data_prep.raw.inputs import COMPRESSIONS, extension
from data_prep.raw.records import ReadSettings, Records
from data_prep.raw.slices import (
    SLICE_BYTES,
    Slice,
    Source,
    decode,
    last_line_end,
    open_source,
)

FORMATS = {".txt": txt, ".jsonl": jsonl, ".tsv": tsv}


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
        return f"{self.bundle:05d}-{self.index:05d}"


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
    """Reads bundles in order and cuts them into parts; picklable between bundles.

    Args:
      slice_bytes: size of a slice in decompressed bytes.
    """

    def __init__(self, settings: ReadSettings, slice_bytes: int = SLICE_BYTES):
        self._settings, self._slice_bytes = settings, slice_bytes
        self._finished_bytes = 0
        self._source: Source | None = None

    def position(self) -> int:
        """Bytes of the (compressed) files read so far."""
        return self._finished_bytes + (self._source.position() if self._source else 0)

    def parts(self, bundle: Bundle) -> Iterator[Part]:
        """The bundle's parts; each has at least one record unless the bundle is empty.

        Raises:
          UserError: a damaged file, one in UTF-16, or a line or document too long.
        """
        pending: list[Slice] = []
        index = size = 0
        for path in bundle.paths:
            for piece in self.slices(path):
                pending.append(piece)
                size += len(piece.data)
                if size >= self._slice_bytes:
                    yield Part(bundle.index, index, tuple(pending))
                    pending, size, index = [], 0, index + 1
        if pending:
            yield Part(bundle.index, index, tuple(pending))

    def slices(self, path: str) -> Iterator[Slice]:
        """The slices of one file."""
        with open_source(path, self._slice_bytes) as source:
            self._source = source
            yield from FORMATS[extension(path)].cut(source, self._settings)
            self._source = None
        self._finished_bytes += files.size(path)


def parse(piece: Slice, settings: ReadSettings) -> Records:
    """The records of a slice.

    Raises:
      UserError: not UTF-8, not JSON, another number of columns, or a missing field.
    """
    records = FORMATS[extension(piece.path)].parse(piece, settings)
    records.counts["records"] = len(records.documents)
    records.counts["blank_records"] = records.documents.count([])
    return records


def read(
    paths: Sequence[str], settings: ReadSettings, slice_bytes: int = SLICE_BYTES
) -> Iterator[Records]:
    """The records of files, a slice at a time, in this process; raises as `parse`."""
    reader = Reader(settings, slice_bytes)
    for path in paths:
        for piece in reader.slices(path):
            yield parse(piece, settings)


def check(paths: Sequence[str], settings: ReadSettings) -> None:
    """Refuses files and settings that do not fit together, without reading.

    Raises:
      UserError: an unknown format, or one that needs --text_field.
    """
    for path in paths:
        if extension(path) not in FORMATS:
            raise UserError(
                f"--input: {path}: cannot tell its format; names end in "
                f"{', '.join(FORMATS)}, each also with {' or '.join(COMPRESSIONS)}"
            )
    if not settings.text_field and {extension(path) for path in paths} != {".txt"}:
        raise UserError("--text_field is needed: the name of the field with the text")


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    """(line number, line) of a text file of any name.

    Raises:
      UserError: a damaged file, or not UTF-8.
    """
    with open_source(path) as source:
        for piece in source.slices(last_line_end):
            yield from piece.numbered(decode(piece)[0])
