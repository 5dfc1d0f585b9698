"""Arrays on disk, sorted into numbered buckets; any range of them can be read alone.

Deduplication and grouping pass their hashes between workers through such files.
"""

from collections.abc import Callable, Sequence

import numpy as np

from common import files
from common.errors import UserError


def write(path: str, num_buckets: int, bucket_of: np.ndarray, rows: np.ndarray) -> None:
    """Writes rows sorted by bucket, in their order within a bucket.

    Args:
      bucket_of: bucket of each row, 0 to num_buckets - 1, [n].
      rows: a structured array, or one of bytes, [n].
    """
    order = np.argsort(bucket_of, kind="stable")
    offsets = np.zeros(num_buckets + 1, np.uint64)
    np.cumsum(np.bincount(bucket_of, minlength=num_buckets), out=offsets[1:])
    with files.atomic_writer(path) as handle:
        handle.write(offsets.tobytes())
        handle.write(rows[order].tobytes())


def read(
    paths: Sequence[str], num_buckets: int, dtype: np.dtype, first: int, last: int
) -> list[np.ndarray]:
    """From each file the rows of buckets first to last - 1, [n].

    Raises:
      UserError: remote files cannot be read.
    """
    head = (8 * first, 8 * (last + 1))

    def place(offsets: bytes) -> tuple[int, int]:
        """Where the rows lie, given a file's offsets of the buckets."""
        begin, end = np.frombuffer(offsets, np.uint64)[[0, -1]].tolist()
        start = 8 * (num_buckets + 1)
        return start + begin * dtype.itemsize, start + end * dtype.itemsize

    if paths and files.is_remote(paths[0]):
        heads = _read_remote(paths, [head] * len(paths))
        read = _read_remote(paths, list(map(place, heads)))
    else:
        read = [_read_local(path, head, place) for path in paths]
    return [np.frombuffer(rows, dtype) for rows in read]


def _read_local(
    path: str, head: tuple[int, int], place: Callable[[bytes], tuple[int, int]]
) -> bytes:
    with files.open_binary(path) as handle:
        handle.seek(head[0])
        begin, end = place(handle.read(head[1] - head[0]))
        handle.seek(begin)
        return handle.read(end - begin)


def _read_remote(
    paths: Sequence[str], places: Sequence[tuple[int, int]]
) -> list[bytes]:
    """The bytes from begin to end of each file, many files at a time.

    Read one by one, each would cost some requests, and megabytes that are read ahead.
    """
    from fsspec.core import url_to_fs  # only remote paths pay for it

    wanted = [index for index, (begin, end) in enumerate(places) if end > begin]
    read = [b""] * len(paths)
    try:
        file_system = url_to_fs(paths[0])[0]
        names = [url_to_fs(paths[index])[1] for index in wanted]
        begins, ends = ([places[index][side] for index in wanted] for side in (0, 1))
        found = file_system.cat_ranges(names, begins, ends, on_error="raise")
    except Exception as error:  # each file system has error classes of its own
        raise UserError(
            f"cannot read {paths[0]} and others like it: {error!r}. Finished work is "
            "kept: run the same command again"
        ) from error
    for index, data in zip(wanted, found, strict=True):
        read[index] = data
    return read
