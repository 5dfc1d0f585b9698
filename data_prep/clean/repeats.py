"""Repeats: of lines, documents, near-equal documents, and the groups of records.

Each is the same question: which items share a key with an earlier one? Keys are 64-bit
hashes, kept on disk in buckets; a partition of them is sorted at a time, so that memory
stays the same for any corpus, and the first in input order is found with any number of
workers.
"""

import dataclasses
import hashlib
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from common.cli import UserError
from data_prep.clean import bucketed_arrays

KEY_BUCKETS = 1024
_KEY_ROW = np.dtype([("key", "<u8"), ("item", "<u4")])
REPEAT_ROW = np.dtype(
    [("part", "<u4"), ("item", "<u4"), ("first_part", "<u4"), ("first_item", "<u4")]
)
# What a partition may hold: some 40 MiB while it is sorted.
_PARTITION_ROWS = 500_000
MOST_FREQUENT = 20

_NUM_PERMUTATIONS = 128
_SHINGLE = 5
_SPACE = re.compile(r"\s+")


def hash64(text: str) -> int:
    """64 bits of BLAKE2b.

    Two different ones of n texts share a hash with probability n^2 / 2^65: 1 in 2,000
    that even one of 100 million lines is lost by it.
    """
    return int.from_bytes(_digest(text), "little")


def _digest(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).digest()


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """A key for each text, equal for equal ones, uint64 [texts]."""
    return np.frombuffer(b"".join(map(_digest, texts)), "<u8")


def bands(threshold: float) -> tuple[int, int]:
    """(bands, rows) of MinHash for which documents as similar as this often collide.

    Two documents of Jaccard similarity s share one of b bands of r rows with
    probability 1 - (1 - s^r)^b, which is steepest near s = (1 / b)^(1 / r).
    """
    choices = [(_NUM_PERMUTATIONS // rows, rows) for rows in range(1, 33)]
    return min(choices, key=lambda c: abs((1 / c[0]) ** (1 / c[1]) - threshold))


def near_keys(
    documents: Sequence[str], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """(keys, their documents), both [documents x bands]: similar ones share a key.

    MinHash over the character 5-grams of a document without its spaces.
    """
    try:
        import rensa
    except ImportError as error:
        raise UserError(
            "--near_duplicates needs rensa: pip install 'korean-electra-tf[near]'"
        ) from error
    num_bands, rows = bands(threshold)
    keys = np.empty((len(documents), num_bands), np.uint64)
    for index, document in enumerate(documents):
        text = _SPACE.sub("", document)
        shingles = {text[i : i + _SHINGLE] for i in range(len(text) - _SHINGLE + 1)}
        minhash = rensa.RMinHash(num_perm=_NUM_PERMUTATIONS, seed=0)
        minhash.update(sorted(shingles or {text}))
        signature = np.array(minhash.digest(), "<u4")[: num_bands * rows]
        for band, values in enumerate(signature.reshape(num_bands, rows)):
            data = bytes([band]) + values.tobytes()
            digest = hashlib.blake2b(data, digest_size=8).digest()
            keys[index, band] = int.from_bytes(digest, "little")
    return keys.ravel(), np.repeat(np.arange(len(documents)), num_bands)


def write_keys(path: str, keys: np.ndarray, items: np.ndarray | None = None) -> None:
    """Keys of one part's items; `items` are 0 to n - 1 if not given."""
    rows = np.empty(len(keys), _KEY_ROW)
    rows["key"] = keys
    rows["item"] = np.arange(len(keys)) if items is None else items
    bucket_of = keys >> np.uint64(64 - int(math.log2(KEY_BUCKETS)))
    bucketed_arrays.write(path, KEY_BUCKETS, bucket_of.astype(np.int64), rows)


def read_keys(path: str) -> np.ndarray:
    """All rows of `write_keys`: fields key and item; equal keys are in input order."""
    return bucketed_arrays.read(path, KEY_BUCKETS, _KEY_ROW, 0, KEY_BUCKETS)


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


def write_repeats(path: str, num_parts: int, rows: np.ndarray, by: str) -> None:
    """Repeats in buckets by their `part` or `first_part`."""
    bucketed_arrays.write(path, num_parts, rows[by].astype(np.int64), rows)


def read_repeats(paths: Sequence[str], num_parts: int, part: int) -> np.ndarray:
    """The rows of one part from the files of all partitions."""
    rows = [
        bucketed_arrays.read(path, num_parts, REPEAT_ROW, part, part + 1)
        for path in paths
    ]
    return np.concatenate([np.empty(0, REPEAT_ROW), *rows])
