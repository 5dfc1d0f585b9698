"""Repeats: of lines, documents, near-equal documents, and the groups of records.

Each asks the same question: which items share a key with an earlier one? Keys are
64-bit hashes, kept on disk in buckets, and sorted one partition at a time: memory does
not grow with the corpus, and any number of workers finds the first in input order.
"""

import dataclasses
import hashlib
import math
from collections.abc import Sequence

import numpy as np

from data_prep.clean import bucketed_arrays
from data_prep.clean.work import Work

KEY_BUCKETS = 1024
_KEY_ROW = np.dtype([("key", "<u8"), ("item", "<u4")])
REPEAT_ROW = np.dtype(
    [("part", "<u4"), ("item", "<u4"), ("first_part", "<u4"), ("first_item", "<u4")]
)
# Size of a partition: about 40 MiB while it is sorted.
_PARTITION_ROWS = 500_000
MOST_FREQUENT = 20


def hash64(text: str) -> int:
    """64 bits of BLAKE2b.

    Some two of n different texts share a hash with probability n^2 / 2^65: among 100
    million lines, one is lost by it with probability 1 in 3,700.
    """
    return int.from_bytes(digest(text), "little")


def digest(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).digest()


def write_keys(path: str, keys: np.ndarray, items: np.ndarray | None = None) -> None:
    """Keys of one part's items; `items` are 0 to n - 1 if not given."""
    rows = np.empty(len(keys), _KEY_ROW)
    rows["key"] = keys
    rows["item"] = np.arange(len(keys)) if items is None else items
    bucket_of = keys >> np.uint64(64 - int(math.log2(KEY_BUCKETS)))
    bucketed_arrays.write(path, KEY_BUCKETS, bucket_of.astype(np.int64), rows)


def num_partitions(num_keys: int) -> int:
    return max(1, min(KEY_BUCKETS, math.ceil(num_keys / _PARTITION_ROWS)))


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Items that share a key with an earlier one.

    Attributes:
      rows: REPEAT_ROW, each repeat with the first item of its key.
      most_frequent: (count, part, item) of the first items of the keys seen most often,
        by falling count.
    """

    rows: np.ndarray
    most_frequent: list[tuple[int, int, int]]


def read_partition(
    paths: Sequence[str], partition: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(keys, parts, items) [n] of one of `count` partitions of the keys of all parts.

    Args:
      paths: files of `write_keys`, in the order of the parts.
    """
    first = partition * KEY_BUCKETS // count
    last = (partition + 1) * KEY_BUCKETS // count
    rows = [
        bucketed_arrays.read(path, KEY_BUCKETS, _KEY_ROW, first, last) for path in paths
    ]
    parts = np.repeat(np.arange(len(rows), dtype=np.uint32), list(map(len, rows)))
    joined = np.concatenate([np.empty(0, _KEY_ROW), *rows])
    return joined["key"], parts, joined["item"]


def repeats_of(keys: np.ndarray, parts: np.ndarray, items: np.ndarray) -> Repeats:
    """Repeats among rows [n] that are in input order wherever keys are equal."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.ones(len(keys), bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    firsts, run = order[begins], np.cumsum(begins) - 1
    repeats, first_of = order[~begins], firsts[run[~begins]]
    rows = np.empty(len(repeats), REPEAT_ROW)
    rows["part"], rows["item"] = parts[repeats], items[repeats]
    rows["first_part"], rows["first_item"] = parts[first_of], items[first_of]
    counts = np.bincount(run, minlength=len(firsts))
    several = np.flatnonzero(counts > 1)
    seen = (counts[several], parts[firsts[several]], items[firsts[several]])
    top = np.lexsort((seen[2], seen[1], -seen[0]))[:MOST_FREQUENT]
    return Repeats(rows, [tuple(int(c[i]) for c in seen) for i in top])


@dataclasses.dataclass(frozen=True)
class KeyFiles:
    """The keys of all parts in one phase, and where its repeats go; picklable.

    What an executor knows as `executors.Keys`.
    """

    work: Work
    phase: str
    parts: tuple[str, ...]
    num_keys: int

    @property
    def num_parts(self) -> int:
        return len(self.parts)

    @property
    def num_partitions(self) -> int:
        return num_partitions(self.num_keys)

    def path(self, part: str) -> str:
        """Path of one part's keys, as `write_keys` writes them."""
        return self.work.path(self.phase, part + ".keys")

    def read(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        path = self.path(self.parts[part])
        rows = bucketed_arrays.read(path, KEY_BUCKETS, _KEY_ROW, 0, KEY_BUCKETS)
        return rows["key"], rows["item"]

    def find_repeats(self, partition: int) -> None:
        """Writes a partition's repeats, unless an earlier run did."""
        if not self.work.log.done(self._record(partition)):
            paths = list(map(self.path, self.parts))
            rows = read_partition(paths, partition, self.num_partitions)
            self.write_repeats(partition, *rows)

    def write_repeats(
        self, partition: int, keys: np.ndarray, parts: np.ndarray, items: np.ndarray
    ) -> None:
        """Writes the repeats among a partition's rows, by part and by first part."""
        repeats = repeats_of(keys, parts, items)
        paths = []
        for by in ("part", "first_part"):
            paths.append(self._repeats_path(by, partition))
            buckets = repeats.rows[by].astype(np.int64)
            bucketed_arrays.write(paths[-1], self.num_parts, buckets, repeats.rows)
        frequent = repeats.most_frequent
        self.work.finish(self._record(partition), paths, most_frequent=frequent)

    def read_repeats(self, by: str, part: int) -> np.ndarray:
        """REPEAT_ROW of the repeats whose `part` or `first_part` this is."""
        rows = [
            bucketed_arrays.read(
                self._repeats_path(by, partition),
                self.num_parts,
                REPEAT_ROW,
                part,
                part + 1,
            )
            for partition in range(self.num_partitions)
        ]
        return np.concatenate([np.empty(0, REPEAT_ROW), *rows])

    def most_frequent(self) -> list[tuple[int, int, int]]:
        """(count, part, item) as in `Repeats`, of all partitions."""
        rows: list[tuple[int, int, int]] = []
        for partition in range(self.num_partitions):
            rows += self.work.log.done(self._record(partition))["most_frequent"]
        return sorted(rows, key=lambda row: (-row[0], row[1:]))[:MOST_FREQUENT]

    def _record(self, partition: int) -> str:
        return f"{self.phase}-repeats-{partition:04d}"

    def _repeats_path(self, by: str, partition: int) -> str:
        return self.work.path(self.phase, f"{partition:04d}.{by}")
