"""Arrays on disk, sorted into numbered buckets; any range of them can be read alone.

Deduplication and grouping pass their hashes between workers through such files.
"""

import numpy as np

from common import files


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
    path: str, num_buckets: int, dtype: np.dtype, first: int, last: int
) -> np.ndarray:
    """The rows of buckets first to last - 1, [n]."""
    with files.open_binary(path) as handle:
        handle.seek(8 * first)
        offsets = np.frombuffer(handle.read(8 * (last - first + 1)), np.uint64)
        begin, end = int(offsets[0]), int(offsets[-1])
        handle.seek(8 * (num_buckets + 1) + begin * dtype.itemsize)
        return np.frombuffer(handle.read((end - begin) * dtype.itemsize), dtype)
