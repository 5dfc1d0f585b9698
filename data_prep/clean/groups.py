"""Records of one group, wherever they are in the input, joined to one document.

The document takes the place of the group's first record. Records in other parts are
passed to that part through files. `move` and `join` run on workers, one part each.
"""

import functools
import itertools
import json
import operator
from collections.abc import Iterator
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


def move(keys: KeyFiles, index: int) -> None:
    """Writes the records of a part whose groups begin in other parts."""
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"moved-{part}"):
        return
    documents, sort_keys = _records(work, part)
    moved = keys.read_repeats("part", index)
    moved = moved[moved["first_part"] != index]
    moved = moved[np.lexsort((moved["item"], moved["first_part"]))]
    rows = np.empty(len(moved), _MOVED_ROW)
    rows["first"], rows["item"] = moved["first_item"], moved["item"]
    path, position = work.path("moved", part), 0
    with files.atomic_writer(path + ".json") as handle:
        for row, item in zip(rows, moved["item"].tolist(), strict=True):
            row["begin"] = position
            line = json.dumps([sort_keys[item], documents[item]]) + "\n"
            position += handle.write(line.encode("ascii"))
    targets = moved["first_part"].astype(np.int64)
    bucketed_arrays.write(path + ".rows", keys.num_parts, targets, rows)
    work.finish(f"moved-{part}", [path + ".rows", path + ".json"])


def _arriving(keys: KeyFiles, index: int) -> Iterator[_Member]:
    """The records of other parts whose groups begin in this one."""
    sources = np.unique(keys.read_repeats("first_part", index)["part"])
    for source in sources[sources != index].tolist():
        path = keys.work.path("moved", keys.parts[source])
        rows = bucketed_arrays.read(
            path + ".rows", keys.num_parts, _MOVED_ROW, index, index + 1
        )
        with files.open_binary(path + ".json") as handle:
            handle.seek(int(rows["begin"][0]))
            for row in rows:
                key, document = json.loads(handle.readline())
                first, item = int(row["first"]), int(row["item"])
                yield first, tuple(key), source, item, document


def join(keys: KeyFiles, index: int) -> None:
    """Writes the documents of a part, each with all records of its group in order."""
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"group-{part}"):
        return
    leaving = keys.read_repeats("part", index)
    columns = (leaving[name].tolist() for name in ("item", "first_part", "first_item"))
    first_of = {
        item: (first_part, first)
        for item, first_part, first in zip(*columns, strict=True)
    }
    members: list[_Member] = []
    for item, (document, key) in enumerate(zip(*_records(work, part), strict=True)):
        first_part, first = first_of.get(item, (index, item))
        if first_part == index:
            members.append((first, key, index, item, document))
    members += _arriving(keys, index)
    members.sort()
    documents = [
        list(itertools.chain.from_iterable(member[-1] for member in group))
        for _, group in itertools.groupby(members, key=operator.itemgetter(0))
    ]
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
