"""Input files: found by patterns, opened whatever their compression."""

import contextlib
import gzip
import io
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from backports import zstd

from common import files
from common.errors import UserError

COMPRESSIONS = (".gz", ".zst")
_BLOCK = 1 << 20


def find(patterns: Iterable[str], flag: str = "--input") -> list[str]:
    """Files that match, sorted within each pattern, without repeats.

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
                f"{flag}: {path} is a folder, files are needed: pass '{path}/*.txt'"
            )
    return list(paths)


def extension(path: str) -> str:
    """The extension that tells the format, such as .txt of a.txt.gz."""
    stem, last = os.path.splitext(path)
    return os.path.splitext(stem)[1] if last in COMPRESSIONS else last


def version(path: str) -> str:
    """What changes whenever the file is written: the time of a local one."""
    if not files.is_remote(path):
        return str(os.stat(path).st_mtime_ns)
    from fsspec.core import url_to_fs  # only remote paths pay for it

    file_system, name = url_to_fs(path, use_listings_cache=False)
    return str(file_system.checksum(name))


@contextlib.contextmanager
def open_stream(path: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """(decompressed stream, file whose position tells the progress)."""
    with files.open_binary(path) as raw:
        if path.endswith(".gz"):
            stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), _BLOCK)
        elif path.endswith(".zst"):
            stream = io.BufferedReader(zstd.ZstdFile(raw), _BLOCK)
        else:
            stream = raw
        yield stream, raw
