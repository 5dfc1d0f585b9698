"""Repeats: of lines, documents, near-equal documents, and the groups of records.

Each asks the same question: which items share a key with an earlier one? Keys are
64-bit hashes. Those of some parts at a time, a block, are sorted into buckets on disk;
then one partition of the keys of all blocks is read and sorted at a time. Blocks and
partitions have bounded sizes, so memory does not grow with the corpus, and any number
of workers finds the first in input order.
"""

import dataclasses
import functools
import hashlib
import math

import numpy as np

from common import files
from data_prep.clean import bucketed_arrays
from data_prep.clean.work import Work

# Of a block. A partition reads whole buckets: they should be smaller than it is.
KEY_BUCKETS = 4096
_PART_ROW = np.dtype([("key", "<u8"), ("item", "<u4")])
KEY_ROW = np.dtype([("key", "<u8"), ("part", "<u4"), ("item", "<u4")])
REPEAT_ROW = np.dtype(
    [("part", "<u4"), ("item", "<u4"), ("first_part", "<u4"), ("first_item", "<u4")]
)
# Keys of a partition, and of a block of several parts: 300 MiB while they are sorted.
# Every partition reads a piece of every block.
MOST_ROWS = 4_000_000
# A small corpus is cut into about as many blocks, for as many workers.
_FEWEST_BLOCKS = 64
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
    rows = np.empty(len(keys), _PART_ROW)
    rows["key"] = keys
    rows["item"] = np.arange(len(keys)) if items is None else items
    with files.atomic_writer(path) as handle:
        handle.write(rows.tobytes())


def partition_of(keys: np.ndarray, count: int) -> np.ndarray:
    """The number, below `count`, of each key's partition: a range of the keys."""
    half = np.uint64(32)
    return (keys >> half) * np.uint64(count) >> half


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

    Attributes:
      counts: number of keys of each part.
    """

    work: Work
    phase: str
    parts: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def num_parts(self) -> int:
        return len(self.parts)

    @property
    def num_partitions(self) -> int:
        return max(1, math.ceil(sum(self.counts) / MOST_ROWS))

    @functools.cached_property
    def blocks(self) -> list[range]:
        """Consecutive parts that together have at most MOST_ROWS keys, or one part."""
        most = min(MOST_ROWS, math.ceil(sum(self.counts) / _FEWEST_BLOCKS))
        blocks: list[range] = []
        room = 0
        for part, count in enumerate(self.counts):
            if count > room or not blocks:
                blocks.append(range(part, part))
                room = most
            blocks[-1] = range(blocks[-1].start, part + 1)
            room -= count
        return blocks

    def path(self, part: str) -> str:
        """Path of one part's keys, as `write_keys` writes them."""
        return self.work.path(self.phase, part + ".keys")

    def read(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        with files.open_binary(self.path(self.parts[part])) as handle:
            rows = np.frombuffer(handle.read(), _PART_ROW)
        return rows["key"], rows["item"]

    def collect(self, block: int) -> None:
        """Sorts the keys of a block's parts into buckets."""
        name, path = f"{self.phase}-block-{block:05d}", self._block_path(block)
        if self.work.log.start(name, [path]) is not None:
            return
        parts = self.blocks[block]
        rows = np.empty(sum(self.counts[part] for part in parts), KEY_ROW)
        end = 0
        for part in parts:
            begin, end = end, end + self.counts[part]
            rows["key"][begin:end], rows["item"][begin:end] = self.read(part)
            rows["part"][begin:end] = part
        buckets = partition_of(rows["key"], KEY_BUCKETS).astype(np.int64)
        bucketed_arrays.write(path, KEY_BUCKETS, buckets, rows)
        self.work.log.finish(name, {})

    def find_repeats(self, partition: int) -> None:
        """Writes a partition's repeats, unless an earlier run did."""
        if self.work.log.done(self._record(partition)) is None:
            rows = self._rows(partition)
            self.write_repeats(partition, rows["key"], rows["part"], rows["item"])

    def _rows(self, partition: int) -> np.ndarray:
        """KEY_ROW of one partition of the keys of all blocks, in input order by key."""
        count = self.num_partitions
        first = partition * KEY_BUCKETS // count
        last = math.ceil((partition + 1) * KEY_BUCKETS / count)
        paths = list(map(self._block_path, range(len(self.blocks))))
        read = bucketed_arrays.read(paths, KEY_BUCKETS, KEY_ROW, first, last)
        rows = np.concatenate([np.empty(0, KEY_ROW), *read])
        # Buckets at both ends may be shared with other partitions.
        return rows[partition_of(rows["key"], count) == partition]

    def write_repeats(
        self, partition: int, keys: np.ndarray, parts: np.ndarray, items: np.ndarray
    ) -> None:
        """Writes the repeats among a partition's rows, by part and by first part."""
        log, name = self.work.log, self._record(partition)
        paths = {by: self._repeats_path(by, partition) for by in ("part", "first_part")}
        if log.start(name, paths.values()) is not None:
            return
        repeats = repeats_of(keys, parts, items)
        for by, path in paths.items():
            buckets = repeats.rows[by].astype(np.int64)
            bucketed_arrays.write(path, self.num_parts, buckets, repeats.rows)
        log.finish(name, {"most_frequent": repeats.most_frequent})

    def read_repeats(self, by: str, block: int) -> dict[int, np.ndarray]:
        """For each part of a block, REPEAT_ROW of which it is the `part`/`first_part`.

        Args:
          by: "part" or "first_part".
        """
        parts = self.blocks[block]
        paths = [self._repeats_path(by, i) for i in range(self.num_partitions)]
        ends = (parts.start, parts.stop)
        read = bucketed_arrays.read(paths, self.num_parts, REPEAT_ROW, *ends)
        rows = np.concatenate([np.empty(0, REPEAT_ROW), *read])
        return {part: rows[rows[by] == part] for part in parts}

    def most_frequent(self) -> list[tuple[int, int, int]]:
        """(count, part, item) as in `Repeats`, of all partitions."""
        rows: list[tuple[int, int, int]] = []
        for partition in range(self.num_partitions):
            rows += self.work.log.done(self._record(partition))["most_frequent"]
        return sorted(rows, key=lambda row: (-row[0], row[1:]))[:MOST_FREQUENT]

    def _record(self, partition: int) -> str:
        return f"{self.phase}-repeats-{partition:04d}"

    def _block_path(self, block: int) -> str:
        return self.work.path(self.phase, f"{block:05d}.block")

    def _repeats_path(self, by: str, partition: int) -> str:
        return self.work.path(self.phase, f"{partition:04d}.{by}")
