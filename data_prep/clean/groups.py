"""Records of one group, wherever they are in the input, joined to one document.

The document takes the place of the group's first record. Records in other parts are
passed to that part through files. `move` and `join` run on workers, a block each.
"""

import functools
import itertools
import json
import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from common import files
from data_prep.clean import bucketed_arrays
from data_prep.clean.repeats import REPEAT_ROW, KeyFiles, hash64
from data_prep.clean.work import Work
from data_prep.stages import shards
from data_prep.stages.shards import Document

_MOVED_ROW = np.dtype([*REPEAT_ROW.descr, ("begin", "<u8")])

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
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    # Nothing can be ordered by what is not a number.
    return (2, 0.0, str(value)) if math.isnan(number) else (1, number, "")


def move(keys: KeyFiles, block: int) -> None:
    """Writes the records of a block's parts whose groups begin in other parts."""
    work, name = keys.work, f"moved-{block:05d}"
    path, position = _moved_path(work, block), 0
    if work.log.start(name, [path + ".rows", path + ".json"]) is not None:
        return
    moved = [np.empty(0, _MOVED_ROW)]
    with files.atomic_writer(path + ".json") as handle:
        for part, repeats in keys.read_repeats("part", block).items():
            documents, sort_keys = _records(work, keys.parts[part])
            repeats = repeats[repeats["first_part"] != part]
            repeats = np.sort(repeats, order=["first_part", "item"])
            rows = np.empty(len(repeats), _MOVED_ROW)
            for field in REPEAT_ROW.names:
                rows[field] = repeats[field]
            for row, item in zip(rows, repeats["item"].tolist(), strict=True):
                row["begin"] = position
                line = json.dumps([sort_keys[item], documents[item]]) + "\n"
                position += handle.write(line.encode("ascii"))
            moved.append(rows)
    rows = np.concatenate(moved)
    targets = rows["first_part"].astype(np.int64)
    bucketed_arrays.write(path + ".rows", keys.num_parts, targets, rows)
    work.log.finish(name, {})


def _arriving(keys: KeyFiles, part: int, sources: np.ndarray) -> Iterator[_Member]:
    """The records of other parts, `sources`, whose groups begin in this one."""
    ends = [block.stop for block in keys.blocks]
    blocks = np.searchsorted(ends, sources[sources != part], side="right")
    paths = [_moved_path(keys.work, block) for block in np.unique(blocks).tolist()]
    row_paths = [path + ".rows" for path in paths]
    ends = (part, part + 1)
    moved = bucketed_arrays.read(row_paths, keys.num_parts, _MOVED_ROW, *ends)
    for path, rows in zip(paths, moved, strict=True):
        with files.open_binary(path + ".json") as handle:
            for row in rows:
                handle.seek(int(row["begin"]))
                key, document = json.loads(handle.readline())
                place = (int(row["part"]), int(row["item"]))
                yield int(row["first_item"]), tuple(key), *place, document


def join(keys: KeyFiles, block: int) -> None:
    """Writes the documents of a block's parts, each with all records of its group."""
    work, names = keys.work, {part: keys.parts[part] for part in keys.blocks[block]}
    if all(work.log.done(f"group-{name}") is not None for name in names.values()):
        return
    leaving = keys.read_repeats("part", block)
    arriving = keys.read_repeats("first_part", block)
    for part, name in names.items():
        path = work.path("group", name + ".txt")
        if work.log.start(f"group-{name}", [path]) is not None:
            continue
        columns = ("item", "first_part", "first_item")
        lists = (leaving[part][column].tolist() for column in columns)
        first_of = {item: first for item, *first in zip(*lists, strict=True)}
        members: list[_Member] = []
        records = zip(*_records(work, name), strict=True)
        for item, (document, key) in enumerate(records):
            first_part, first = first_of.get(item, (part, item))
            if first_part == part:
                members.append((first, key, part, item, document))
        members += _arriving(keys, part, arriving[part]["part"])
        members.sort()
        documents = [
            list(itertools.chain.from_iterable(member[-1] for member in group))
            for _, group in itertools.groupby(members, key=operator.itemgetter(0))
        ]
        files.write_text(path, shards.to_text(documents))
        work.log.finish(f"group-{name}", {})


def _moved_path(work: Work, block: int) -> str:
    return work.path("moved", f"{block:05d}")


def _records(work: Work, part: str) -> tuple[list[Document], list[tuple]]:
    """The documents of a part's records, and their sort keys."""
    documents = shards.from_text(work.text("clean", part))
    if not work.settings.sort_field:
        return documents, [()] * len(documents)
    sort_keys = files.read_json(work.path("group", part + ".sort"))
    return documents, list(map(tuple, sort_keys))
