"""Checks the files of finished stages against their manifests, to the last record.

Lists everything that is wrong, and ends with exit code 1 if anything is: files of
another size or SHA-256; records that are damaged, do not have the manifest's shape or
hold ids outside of the vocabulary; other counts of records, lines and documents.

  python -m data_prep.verify --dir=W
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from absl import flags, logging

from common import cli, files
from common.cli import UserError
from common.progress import Progress
from data_prep.records import example, tfrecord
from data_prep.stages import manifest, resume, shards

_DIR = flags.DEFINE_string(
    "dir", None, "Folder of a stage, or the folder that holds those of all stages."
)
flags.mark_flags_as_required(["dir"])

_BATCH_RECORDS = 1_000


def stage_folders(path: str) -> list[str]:
    """`path` if it is a stage's folder, else those in it; unfinished ones too."""
    candidates = [path, *(os.path.join(path, name) for name in files.listdir(path))]
    found = [
        folder
        for folder in candidates
        if files.exists(os.path.join(folder, manifest.NAME))
        or files.exists(os.path.join(folder, resume.FOLDER))
    ]
    if not found:
        raise UserError(f"--dir={path}: there is no stage's folder, or none in it")
    return found[:1] if found[0] == path else found


def folder_problems(folder: str) -> Iterator[str]:
    """What is wrong with a stage's folder, a sentence each."""
    path = os.path.join(folder, manifest.NAME)
    if not files.exists(path):
        yield f"{folder} has no {manifest.NAME}: the stage did not finish"
        return
    try:
        found = files.read_json(path)
    except ValueError as error:
        yield f"{path} is damaged ({error})"
        return
    total = sum(entry["bytes"] for entry in found["files"])
    with Progress(f"checking {folder}", total, "B") as progress:
        for entry in found["files"]:
            yield from _file_problems(folder, entry, found)
            progress.update(entry["bytes"])


def _file_problems(
    folder: str, entry: dict[str, Any], found: dict[str, Any]
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
        yield from _tfrecord_problems(path, entry, found)
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
    path: str, entry: dict[str, Any], found: dict[str, Any]
) -> Iterator[str]:
    counts = {"examples": 0}
    batch: list[tuple[str, bytes]] = []
    for record in tfrecord.read(path, found.get("compression", "")):
        where = f"{path}: record {counts['examples']} (from 0) at byte {record.offset}"
        counts["examples"] += 1
        if record.problem:
            yield f"{where}: {record.problem}"
        else:
            batch.append((where, record.data))
        if len(batch) == _BATCH_RECORDS:
            yield from _content_problems(batch, found)
            batch = []
    yield from _content_problems(batch, found)
    yield from _count_problems(path, counts, entry)


def _content_problems(
    batch: list[tuple[str, bytes]], found: dict[str, Any]
) -> Iterator[str]:
    """Parses records as the trainer does; one by one if one of them does not parse."""
    import tensorflow as tf

    if not batch:
        return
    length = found["max_seq_length"]
    try:
        parsed = example.parse_batch([data for _, data in batch], length)
    except tf.errors.InvalidArgumentError:
        if len(batch) > 1:
            for one in batch:
                yield from _content_problems([one], found)
        else:
            yield f"{batch[0][0]}: is no example of max_seq_length={length}"
        return
    limits = {"input_ids": found["vocab_size"], "input_mask": 2, "segment_ids": 2}
    for name, limit in limits.items():
        values = parsed[name].numpy()
        for index in ((values < 0) | (values >= limit)).any(axis=1).nonzero()[0]:
            largest = values[index].max()
            yield f"{batch[index][0]}: {name} reaches {largest}, not below {limit}"


def _count_problems(
    path: str, counts: dict[str, int], entry: dict[str, Any]
) -> Iterator[str]:
    for name, count in counts.items():
        if count != entry[name]:
            yield f"{path} holds {count} {name}, its manifest says {entry[name]}"


def verify() -> None:
    problems = _logged(p for f in stage_folders(_DIR.value) for p in folder_problems(f))
    if problems:
        raise UserError(f"{_DIR.value}: {problems} problems, listed above")
    logging.info("%s: every file is as it was written", _DIR.value)


def _logged(problems: Iterable[str]) -> int:
    count = 0
    for problem in problems:
        logging.error("%s", problem)
        count += 1
    return count


if __name__ == "__main__":
    cli.run(verify)
