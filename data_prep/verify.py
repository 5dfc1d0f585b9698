"""Checks the files of finished stages against their manifests, to the last record.

Lists every problem and ends with exit code 1 if there is one: files and reports whose
size or SHA-256 differs, and files that no manifest names; records that are damaged, do
not have the manifest's shape or contain ids outside the vocabulary; counts of records,
lines or documents that differ.

  python -m data_prep.verify --dir=W
"""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from absl import logging

from common import cli, files, manifest, own_files
from common.cli import flag
from common.errors import UserError
from common.progress import Progress
from data_prep.records import example, tfrecord
from data_prep.stages import shards

_BATCH_RECORDS = 1_000


@dataclasses.dataclass(frozen=True)
class Input:
    """Input."""

    dir: str = flag(
        "",
        "Folder of a stage, or the folder that contains all of them.",
        required=True,
        reads=True,
    )


def stage_folders(path: str) -> list[str]:
    """`path` if it is a stage's folder, else those in it, including unfinished ones."""
    candidates = [path, *(os.path.join(path, name) for name in files.listdir(path))]
    folders = [
        folder
        for folder in candidates
        if files.exists(os.path.join(folder, manifest.NAME))
        or files.exists(os.path.join(folder, own_files.PROGRESS))
    ]
    if not folders:
        raise UserError(
            f"--dir={path} is not the folder of a stage, and does not contain one"
        )
    return folders[:1] if folders[0] == path else folders


def folder_problems(folder: str) -> Iterator[str]:
    """What is wrong with a stage's folder, one sentence per problem."""
    path = os.path.join(folder, manifest.NAME)
    if not files.exists(path):
        yield f"{folder} has no {manifest.NAME}: the stage did not finish"
        return
    try:
        values = files.read_json(path)
    except ValueError as error:
        yield f"{path} is damaged ({error})"
        return
    entries = manifest.entries(values)
    named = {manifest.NAME, *(entry["name"] for entry in entries)}
    for name in sorted(set(files.walk(folder)) - named):
        yield (
            f"{os.path.join(folder, name)} is not in {path}: the stage did not write "
            "it, or did not finish it; move it elsewhere"
        )
    total = sum(entry["bytes"] for entry in entries)
    with Progress(f"checking {folder}", total, "B") as progress:
        for entry in entries:
            yield from _file_problems(folder, entry, values)
            progress.update(entry["bytes"])


def _file_problems(
    folder: str, entry: dict[str, Any], values: dict[str, Any]
) -> Iterator[str]:
    path = os.path.join(folder, entry["name"])
    if problem := manifest.size_problem(folder, entry):
        yield problem
    if not files.exists(path):
        return
    sha256 = manifest.file_entry(folder, entry["name"])["sha256"]
    if sha256 != entry["sha256"]:
        yield f"{path} has SHA-256 {sha256}, its manifest says {entry['sha256']}"
    if "examples" in entry:
        yield from _tfrecord_problems(path, entry, values)
    if "lines" in entry:
        yield from _shard_problems(path, entry)


def _shard_problems(path: str, entry: dict[str, Any]) -> Iterator[str]:
    counts = {"lines": 0, "documents": 0}
    try:
        for document in shards.read_shard(path):
            counts["documents"] += 1
            counts["lines"] += len(document)
    except UnicodeDecodeError as error:
        yield f"{path}: after document {counts['documents']}: {error}"
        return
    yield from _count_problems(path, counts, entry)


def _tfrecord_problems(
    path: str, entry: dict[str, Any], values: dict[str, Any]
) -> Iterator[str]:
    counts = {"examples": 0}
    batch: list[tuple[str, bytes]] = []
    for record in tfrecord.read(path, values.get("compression", "")):
        where = f"{path}: record {counts['examples']} (from 0) at byte {record.offset}"
        counts["examples"] += 1
        if record.problem:
            yield f"{where}: {record.problem}"
        else:
            batch.append((where, record.data))
        if len(batch) == _BATCH_RECORDS:
            yield from _content_problems(batch, values)
            batch = []
    yield from _content_problems(batch, values)
    yield from _count_problems(path, counts, entry)


def _content_problems(
    batch: list[tuple[str, bytes]], values: dict[str, Any]
) -> Iterator[str]:
    """Parses records as the trainer does; one by one if the batch does not parse."""
    import tensorflow as tf

    if not batch:
        return
    length = values["max_seq_length"]
    try:
        parsed = example.parse_batch([data for _, data in batch], length)
    except tf.errors.InvalidArgumentError:
        if len(batch) > 1:
            for one in batch:
                yield from _content_problems([one], values)
        else:
            yield f"{batch[0][0]}: not an example of max_seq_length={length}"
        return
    limits = {"input_ids": values["vocab_size"], "input_mask": 2, "segment_ids": 2}
    for name, limit in limits.items():
        ids = parsed[name].numpy()
        for index in ((ids < 0) | (ids >= limit)).any(axis=1).nonzero()[0]:
            largest = ids[index].max()
            yield f"{batch[index][0]}: {name} reaches {largest}, must be below {limit}"


def _count_problems(
    path: str, counts: dict[str, int], entry: dict[str, Any]
) -> Iterator[str]:
    for name, count in counts.items():
        if count != entry[name]:
            yield f"{path} has {count} {name}, its manifest says {entry[name]}"


def verify(made: Input) -> None:
    count = 0
    for folder in stage_folders(made.dir):
        for problem in folder_problems(folder):
            logging.error("%s", problem)
            count += 1
    if count:
        raise UserError(f"{made.dir}: {count} problems, listed above")
    logging.info("%s: all files are as they were written", made.dir)


if __name__ == "__main__":
    cli.run(verify)
