"""The phases of clean_corpus after cleaning: grouping, deduplication, writing.

Every function here runs on a worker, for one part or one partition of the keys; it
writes files, records that it did, and does nothing if that was done before.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from common import files
from data_prep.clean import groups
from data_prep.clean import repeats as dedup
from data_prep.clean.part import num_bytes, write_rejects
from data_prep.clean.settings import Work
from data_prep.rules import characters
from data_prep.stages import manifest, shards

# Upper bounds of the report's line lengths, in characters.
LENGTH_BINS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000)
# The reason for which each phase drops.
DUPLICATES = {"near": "near_duplicate", "exact": "duplicate"}


def records(work: Work, phase: str, names: Sequence[Any]) -> list[dict[str, Any]]:
    return [work.log.done(f"{phase}-{name}") or {} for name in names]


def text_of(work: Work, phase: str, part: str) -> str:
    """What a phase made of a part, in the format of a shard."""
    return files.read_text(work.path(phase, part + ".txt"))


def finish(work: Work, name: str, paths: Sequence[str], **payload: Any) -> None:
    entries = [work.entry(path) for path in paths]
    work.log.finish(name, {"entries": entries, **payload})


@dataclasses.dataclass(frozen=True)
class KeyFiles:
    """The keys of all parts in one phase, and where its repeats go.

    An executor sees it as `executors.Keys`.
    """

    work: Work
    phase: str
    parts: tuple[str, ...]
    num_partitions: int

    def piece_name(self, partition: int) -> str:
        return f"{self.phase}-repeats-{partition:04d}"

    @property
    def num_parts(self) -> int:
        return len(self.parts)

    @property
    def paths(self) -> list[str]:
        return [self.work.path(self.phase, part + ".keys") for part in self.parts]

    def repeats_paths(self, by: str) -> list[str]:
        return [
            self.work.path(self.phase, f"{partition:04d}.{by}")
            for partition in range(self.num_partitions)
        ]

    def read(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        rows = dedup.read_keys(self.paths[part])
        return rows["key"], rows["item"]

    def write_repeats(
        self, partition: int, keys: np.ndarray, parts: np.ndarray, items: np.ndarray
    ) -> None:
        """Writes the repeats among a partition's rows, by part and by first part."""
        repeats = dedup.repeats_of(keys, parts, items)
        paths = []
        for by in ("part", "first_part"):
            paths.append(self.repeats_paths(by)[partition])
            dedup.write_repeats(paths[-1], len(self.parts), repeats.rows, by)
        frequent = repeats.most_frequent
        finish(self.work, self.piece_name(partition), paths, most_frequent=frequent)

    def find_repeats(self, partition: int) -> None:
        """Writes a partition's repeats, unless an earlier run did."""
        if not self.work.log.done(self.piece_name(partition)):
            rows = dedup.read_partition(self.paths, partition, self.num_partitions)
            self.write_repeats(partition, *rows)

    def read_repeats(self, by: str, part: int) -> np.ndarray:
        return dedup.read_repeats(self.repeats_paths(by), len(self.parts), part)


def _sort_keys(keys: KeyFiles, part: str, count: int) -> list[tuple]:
    if not keys.work.settings.sort_field:
        return [()] * count
    return list(map(tuple, files.read_json(keys.work.path("group", part + ".sort"))))


def _moved_path(keys: KeyFiles, part: str) -> str:
    return keys.work.path("moved", part)


def move(keys: KeyFiles, index: int) -> None:
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"moved-{part}"):
        return
    repeats = keys.read_repeats("part", index)
    documents = shards.from_text(text_of(work, "clean", part))
    path = _moved_path(keys, part)
    sort_keys = _sort_keys(keys, part, len(documents))
    groups.write_moved(path, index, len(keys.parts), documents, sort_keys, repeats)
    finish(work, f"moved-{part}", [path + ".rows", path + ".json"])


def join(keys: KeyFiles, index: int) -> None:
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"group-{part}"):
        return
    documents = shards.from_text(text_of(work, "clean", part))
    documents = groups.regroup(
        index,
        documents,
        _sort_keys(keys, part, len(documents)),
        leaving=keys.read_repeats("part", index),
        arriving=keys.read_repeats("first_part", index),
        moved_paths=[_moved_path(keys, name) for name in keys.parts],
    )
    path = work.path("group", part + ".txt")
    files.write_text(path, shards.to_text(documents))
    finish(work, f"group-{part}", [path])


def by_line(work: Work, phase: str) -> bool:
    """Whether a deduplicating phase drops lines, not documents."""
    return phase == "exact" and work.settings.deduplicate == "line"


def write_keys(work: Work, source: str, phase: str, part: str) -> int:
    """Writes the keys of what `source` made of a part; returns how many there are."""
    name = f"{phase}-keys-{part}"
    if done := work.log.done(name):
        return done["num_keys"]
    text, items = text_of(work, source, part), None
    if phase == "near":
        threshold = work.settings.near_duplicates
        keys, items = dedup.near_keys(shards.documents(text), threshold)
    else:
        units = shards.lines if by_line(work, phase) else shards.documents
        keys = dedup.text_keys(units(text))
    path = work.path(phase, part + ".keys")
    dedup.write_keys(path, keys, items)
    finish(work, name, [path], num_keys=len(keys))
    return len(keys)


def drop(keys: KeyFiles, source: str, index: int) -> None:
    """Writes what is left of a part without its duplicates."""
    work, part = keys.work, keys.parts[index]
    if work.log.done(f"{keys.phase}-{part}"):
        return
    text = text_of(work, source, part)
    items = np.unique(keys.read_repeats("part", index)["item"]).tolist()
    if by_line(work, keys.phase):
        kept, units = shards.without_lines(text, items), shards.lines(text)
    else:
        kept, units = shards.without_documents(text, items), shards.documents(text)
    dropped = [line for item in items for line in units[item].split("\n")]
    paths = [work.path(keys.phase, part + ".txt")]
    files.write_text(paths[0], kept)
    if dropped and work.settings.write_rejects:
        reason = DUPLICATES[keys.phase]
        rows = [{"part": part, "reason": reason, "text": line} for line in dropped]
        paths.append(write_rejects(work, f"{part}.{reason}.jsonl", rows))
    counts = {"lines": len(dropped), "bytes": sum(map(num_bytes, dropped))}
    finish(work, f"{keys.phase}-{part}", paths, **counts)


def write_shard(work: Work, source: str, part: str) -> None:
    """Gives a part its place among the output, and looks at it for the report."""
    if work.log.done(f"shard-{part}"):
        return
    text = text_of(work, source, part)
    name = f"corpus-{part}.txt"
    files.write_text(work.output_path(name), text)
    lines = shards.lines(text)
    lengths = np.histogram(list(map(len, lines)), [0, *LENGTH_BINS, np.inf])[0]
    counts = {"lines": len(lines), "documents": len(shards.documents(text))}
    payload = {
        "entries": [manifest.file_entry(work.log.output_dir, name, **counts)],
        "text_bytes": num_bytes("".join(lines)),
        "lengths": lengths.tolist(),
        "characters": characters.character_classes("".join(lines)),
    }
    work.log.finish(f"shard-{part}", payload)
