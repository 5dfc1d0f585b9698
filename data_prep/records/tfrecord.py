"""TFRecord files, without TensorFlow, whose start-up takes longer than most shards.

A record is framed as: length (uint64), CRC of the length (uint32), data, CRC of the
data (uint32), all little-endian; the CRCs are CRC32C, rotated and offset ("masked").
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import contextlib
import functools
import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import google_crc32c

from common import files
from common.manifest import HashingWriter

COMPRESSIONS = ("", "GZIP")  # The compression_type of tf.data.TFRecordDataset.

_WRONG_LENGTH = "the CRC of its length does not match"
_WRONG_DATA = "the CRC of its data does not match"
_EARLY_END = "the file ends inside it"
_NOT_GZIP = "the compressed data end early or are damaged"

_HEAD, _CRC = struct.Struct("<QI"), struct.Struct("<I")


class Record(NamedTuple):
    """A record as read.

    Attributes:
      data: possibly damaged if there is a problem.
      offset: position in bytes of the (uncompressed) file.
      problem: empty if the record is as it was written.
    """

    data: bytes
    offset: int
    problem: str


def masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _head(length: int) -> bytes:
    return _HEAD.pack(length, masked_crc(struct.pack("<Q", length)))


class Writer:
    """Writes records to an open TFRecord file."""

    def __init__(self, handle: Any, hashing: HashingWriter):
        self._handle = handle
        self.entry = hashing.entry  # The manifest's line, once the file is closed.

    def write(self, records: Iterable[bytes]) -> None:
        parts = []
        for data in records:
            parts += [_head(len(data)), data, _CRC.pack(masked_crc(data))]
        self._handle.write(b"".join(parts))


@contextlib.contextmanager
def open_writer(path: str, compression: str = "") -> Iterator[Writer]:
    """A TFRecord file that gets its name when the block ends without an error.

    The same records give the same bytes: gzip's header has no name and no time.
    """
    with files.atomic_writer(path) as handle:
        hashing = HashingWriter(handle)
        if compression == "GZIP":
            with gzip.GzipFile("", "wb", 6, hashing, mtime=0) as packed:
                yield Writer(packed, hashing)
        else:
            yield Writer(hashing, hashing)


def read(path: str, compression: str = "") -> Iterator[Record]:
    """All records of a file, damaged ones with their problem.

    Nothing can be read after a damaged length or an early end: that record is the last.
    """
    with files.open_binary(path) as handle:
        source = gzip.GzipFile(fileobj=handle) if compression == "GZIP" else handle
        offset, problem = 0, ""
        while problem in ("", _WRONG_DATA):
            data = b""
            try:
                if not (head := source.read(_HEAD.size)):
                    return
                length, crc = _HEAD.unpack(head)
                problem = _WRONG_LENGTH
                if masked_crc(head[:8]) == crc:
                    data = source.read(length)
                    (crc,) = _CRC.unpack(source.read(_CRC.size))
                    problem = "" if masked_crc(data) == crc else _WRONG_DATA
            except struct.error:
                problem = _EARLY_END
            except (EOFError, gzip.BadGzipFile, zlib.error):
                problem = _NOT_GZIP
            yield Record(data, offset, problem)
            offset += _HEAD.size + len(data) + _CRC.size
