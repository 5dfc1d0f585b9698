"""Records of one group, wherever they are in the input, joined to one document.

The document takes the place of the group's first record. Records in other parts are
passed to that part through files. `move` and `join` run on workers, one part each.
"""

import functools
import itertools
import json
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common import files
from data_prep.clean import bucketed_arrays
from data_prep.clean.repeats import KeyFiles, hash64
from data_prep.clean.work import Work
from data_prep.stages import shards
from data_prep.stages.shards import Document

_MOVED_ROW = np.dtype([("first", "<u4"), ("item", "<u4"), ("begin", "<u8")])

# (item of the group's first record, sort key, part, item, document). Sorting puts
# members in the order of the documents and of their lines.
_Member = tuple[int, tuple, int, int, Document]


def group_key(value: Any, part: str, item: int) -> int:
    """64-bit hash of a group; a record whose group is null is a group of its own."""
    return hash64(f"{part}/{item}") if value is None else _hash(str(value))


# Records of one group often follow each other.
@functools.lru_cache(1 << 12)
def _hash(value: str) -> int:
    return hash64(f"group {value}")


def sort_key(value: Any) -> tuple:
    """Null first, then numbers and texts that are numbers, then other texts."""
    if value is None:
        return (0, 0.0, "")
    try:
        return (1, float(value), "")
    except (TypeError, ValueError):
        return (2, 0.0, str(value))


def write_moved(
    path: str,
    part: int,
    num_parts: int,
    documents: Sequence[Document],
    sort_keys: Sequence[tuple],
    repeats: np.ndarray,
) -> None:
    """Writes the records that leave a part; the parts they go to read them.

    Args:
      path: without the suffixes of the two files, .rows and .json.
      repeats: REPEAT_ROW of this part's records that are not the first of their group.
    """
    moved = repeats[repeats["first_part"] != part]
    moved = moved[np.lexsort((moved["item"], moved["first_part"]))]
    rows = np.empty(len(moved), _MOVED_ROW)
    rows["first"], rows["item"] = moved["first_item"], moved["item"]
    position = 0
    with files.atomic_writer(path + ".json") as handle:
        for row, item in zip(rows, moved["item"].tolist(), strict=True):
            row["begin"] = position
            line = json.dumps([sort_keys[item], documents[item]]) + "\n"
            position += handle.write(line.encode("ascii"))
    targets = moved["first_part"].astype(np.int64)
    bucketed_arrays.write(path + ".rows", num_parts, targets, rows)


def _arriving(
    paths: Sequence[str], part: int, sources: Sequence[int]
) -> Iterator[_Member]:
    for source in sources:
        path = paths[source]
        rows = bucketed_arrays.read(
            path + ".rows", len(paths), _MOVED_ROW, part, part + 1
        )
        with files.open_binary(path + ".json") as handle:
            handle.seek(int(rows["begin"][0]))
            for row in rows:
                key, document = json.loads(handle.readline())
                first, item = int(row["first"]), int(row["item"])
                yield first, tuple(key), source, item, document


def regroup(
    part: int,
    documents: Sequence[Document],
    sort_keys: Sequence[tuple],
    leaving: np.ndarray,
    arriving: np.ndarray,
    moved_paths: Sequence[str],
) -> list[Document]:
    """The documents of a part: its groups' records, joined in order.

    Args:
      documents, sort_keys: those of the part's records.
      leaving: REPEAT_ROW of this part's records that are not first of their group.
      arriving: REPEAT_ROW of all records whose group's first one is in this part.
      moved_paths: every part's path for `write_moved`.
    """
    columns = (leaving[name].tolist() for name in ("item", "first_part", "first_item"))
    first_of = {
        item: (first_part, first)
        for item, first_part, first in zip(*columns, strict=True)
    }
    members: list[_Member] = []
    for item, document in enumerate(documents):
        first_part, first = first_of.get(item, (part, item))
        if first_part == part:
            members.append((first, sort_keys[item], part, item, document))
    sources = np.unique(arriving["part"]).tolist()
    members += _arriving(moved_paths, part, [s for s in sources if s != part])
    members.sort()
    return [
        list(itertools.chain.from_iterable(member[-1] for member in group))
        for _, group in itertools.groupby(members, key=operator.itemgetter(0))
    ]


def move(keys: KeyFiles, index: int) -> None:
    """Writes the records of a part whose groups begin in other parts."""
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"moved-{part}"):
        return
    path, leaving = work.path("moved", part), keys.read_repeats("part", index)
    write_moved(path, index, keys.num_parts, *_records(work, part), leaving)
    work.finish(f"moved-{part}", [path + ".rows", path + ".json"])


def join(keys: KeyFiles, index: int) -> None:
    """Writes the documents of a part, each with all records of its group."""
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"group-{part}"):
        return
    documents = regroup(
        index,
        *_records(work, part),
        leaving=keys.read_repeats("part", index),
        arriving=keys.read_repeats("first_part", index),
        moved_paths=[work.path("moved", name) for name in keys.parts],
    )
    path = work.path("group", part + ".txt")
    files.write_text(path, shards.to_text(documents))
    work.finish(f"group-{part}", [path])


def _records(work: Work, part: str) -> tuple[list[Document], list[tuple]]:
    """The documents of a part's records, and their sort keys."""
    documents = shards.from_text(work.text("clean", part))
    if not work.settings.sort_field:
        return documents, [()] * len(documents)
    sort_keys = files.read_json(work.path("group", part + ".sort"))
    return documents, list(map(tuple, sort_keys))
