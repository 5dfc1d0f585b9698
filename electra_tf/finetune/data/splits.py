"""A task's files -> train, dev and test rows that can be told apart and trusted.

Where a set has no dev file, a tenth of train becomes it, by a hash of each row's text:
no seed, and a row's side does not depend on the other rows. Rows of one text stay
together, and so do the questions of one article.

Rows of train and dev with an empty text are dropped, in which nothing can be learnt.
Test rows all stay, so that scores are of as many rows as the published ones.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable

from common import files
from common.cli import UserError
from electra_tf.finetune.data import readers
from electra_tf.finetune.data.annotations import Found, stands
from electra_tf.finetune.data.rows import Dataset, Kind, Row
from electra_tf.finetune.data.tasks import Files, Task

DEV_SHARE = 0.1
_HASHES = 1 << 64


def load(task: Task, data_dir: str, train_rows: int = 0) -> Dataset:
    """The rows of a task.

    Args:
      data_dir: holds the files of `task.files`; "" where those are named in full.
      train_rows: train on so many rows, drawn by a hash of their content: the first
        2,000 are among the first 20,000. 0 takes all.

    Returns:
      The dataset. Its counts, by split ("train_" ...): "empty_text" rows, dropped from
      train and dev; "in_train", rows of dev and test with the texts of a train row;
      "repaired_tags" and "moved_answers" (see `annotations`); "lost_answer" rows,
      dropped from train and dev, whose answers stand nowhere.

    Raises:
      UserError: a file or column is missing, a row is damaged, a label is unknown, or
        train holds nothing to tell apart.
    """
    release = find_release(task, data_dir)
    counts: Counter[str] = Counter()
    splits: dict[str, list[Found]] = {"dev": [], "test": []}
    for split, name in release._asdict().items():
        if name:
            path = os.path.join(data_dir, name)
            splits[split] = _read_split(task, path, split, counts)
    labels = _labels(task, [found.row for found in splits["train"]])
    for split, name in release._asdict().items():
        _check_labels(os.path.join(data_dir, name), splits[split], task, labels)
    train, dev = splits["train"], splits["dev"]
    if not release.dev:
        train, dev = split_off_dev(train)
        _check_split(os.path.join(data_dir, release.train), train, dev)
    rows = {
        "train": draw([found.row for found in train], train_rows),
        "dev": [found.row for found in dev],
        "test": [found.row for found in splits["test"]],
    }
    _check_variety(task, os.path.join(data_dir, release.train), rows["train"])
    seen = {_content(row) for row in rows["train"]}
    for split in ("dev", "test"):
        counts[f"{split}_in_train"] = sum(_content(row) in seen for row in rows[split])
    return Dataset(
        kind=task.kind,
        labels=labels,
        dev_from="file" if release.dev else "train",
        sha256=fingerprint(rows),
        counts=dict(sorted(counts.items())),
        **rows,
    )


def find_release(task: Task, data_dir: str) -> Files:
    """Which of the task's releases a folder holds.

    Raises:
      UserError: none of them, or one of its files is missing.
    """
    for release in task.files:
        missing = [
            name
            for name in release
            if name and not files.exists(os.path.join(data_dir, name))
        ]
        if release.train in missing:
            continue
        if missing:
            raise _missing(task, data_dir, missing)
        return release
    raise _missing(task, data_dir, [release.train for release in task.files])


def _missing(task: Task, data_dir: str, names: list[str]) -> UserError:
    folder = os.path.dirname(os.path.join(data_dir, names[0])) or "."
    there = files.listdir(folder)
    shown = ", ".join(there[:20]) + (f" and {len(there) - 20} more" * (len(there) > 20))
    return UserError(
        f"{task.name} needs {' or '.join(names)}, not found in {folder}, which "
        + (f"holds {shown}" if there else "is empty or not there")
    )


def _read_split(task: Task, path: str, split: str, counts: Counter[str]) -> list[Found]:
    """A file's rows without those of which nothing can be learnt; all those of test."""
    rows, found_counts = readers.read(task, path)
    for name, count in found_counts.items():
        counts[f"{split}_{name}"] += count
    empty = [_is_empty(found.row) for found in rows]
    counts[f"{split}_empty_text"] += sum(empty)
    if split == "test":
        return rows
    rows = [found for found, drop in zip(rows, empty, strict=True) if not drop]
    if task.kind is Kind.QUESTION_ANSWERING:
        standing = [_with_standing_answers(found) for found in rows]
        rows = [found for found in standing if found.row.label]
        counts[f"{split}_lost_answer"] += len(standing) - len(rows)
    if not rows:
        raise UserError(f"{path}: no row is left, the texts of all are empty")
    return rows


def _with_standing_answers(found: Found) -> Found:
    row = found.row
    answers = tuple(answer for answer in row.label if stands(row.text, answer))
    return found._replace(row=Row(row.id, row.text, row.text_pair, label=answers))


def _is_empty(row: Row) -> bool:
    pair = () if row.text_pair is None else (row.text_pair,)
    return not all(text.strip() for text in (row.text, *pair, *row.choices))


def split_off_dev(train: list[Found]) -> tuple[list[Found], list[Found]]:
    """(train, dev), each in the order of the file."""
    sides: tuple[list[Found], list[Found]] = ([], [])
    for found in train:
        place = _hash("dev", found.group or found.row.text)
        sides[place < DEV_SHARE * _HASHES].append(found)
    return sides


def _check_split(path: str, train: list[Found], dev: list[Found]) -> None:
    if not train or not dev:
        raise UserError(
            f"{path}: too few different texts ({len(train) + len(dev)} rows) to make "
            f"a dev set of {DEV_SHARE:.0%} of them: name a dev file"
        )


def draw(rows: list[Row], count: int) -> list[Row]:
    """`count` rows by a hash of their content, in their order; 0 draws all.

    Fewer rows are always among more.
    """
    if not count or count >= len(rows):
        return rows
    hashes = [_hash("draw", json.dumps(_content(row))) for row in rows]
    chosen = sorted(range(len(rows)), key=lambda index: (hashes[index], index))
    return [rows[index] for index in sorted(chosen[:count])]


def _hash(purpose: str, text: str) -> int:
    """One of 2**64 numbers; each purpose has its own."""
    data = text.encode("utf-8", errors="surrogatepass")
    digest = hashlib.blake2b(data, digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest, "big")


def _content(row: Row) -> tuple[str, str | None, tuple[str, ...]]:
    return row.text, row.text_pair, row.choices


def fingerprint(splits: dict[str, list[Row]]) -> str:
    """SHA-256 of all rows, in their order."""
    digest = hashlib.sha256()
    for split, rows in splits.items():
        for row in rows:
            values = [split, row.id, *_content(row), row.label]
            digest.update(json.dumps(values).encode("ascii") + b"\n")
    return digest.hexdigest()


def _names(kind: Kind, row: Row) -> Iterable[str]:
    """The labels or tags of a row."""
    if kind is Kind.CLASSIFICATION:
        return (row.label,)
    if kind is Kind.MULTI_LABEL:
        return row.label
    if kind is Kind.TAGGING:
        return (unit.tag for unit in row.label)
    return ()


def _labels(task: Task, train: list[Row]) -> tuple[str, ...]:
    """Of TAGGING both B- and I- of each type, though train may have one alone."""
    found = {name for row in train for name in _names(task.kind, row)}
    if task.kind is Kind.TAGGING:
        types = task.labels or sorted({tag[2:] for tag in found if tag != "O"})
        return ("O", *(f"{place}-{name}" for name in types for place in "BI"))
    if task.kind in (Kind.CLASSIFICATION, Kind.MULTI_LABEL):
        return task.labels or tuple(sorted(found))
    return ()


def _check_labels(
    path: str, rows: list[Found], task: Task, labels: tuple[str, ...]
) -> None:
    known = set(labels)
    for found in rows:
        for name in _names(task.kind, found.row):
            if name not in known:
                whose = task.name if task.labels else "the train file"
                raise UserError(
                    f"{path}, {found.where} (id {found.row.id}): {whose} has no label "
                    f"{name!r}; it has {', '.join(labels)}"
                )


def _check_variety(task: Task, path: str, train: list[Row]) -> None:
    """Refuses rows from which nothing but a constant can be learnt."""
    if task.kind is Kind.REGRESSION:
        found = {row.label for row in train}
    elif task.kind in (Kind.MULTIPLE_CHOICE, Kind.QUESTION_ANSWERING):
        return
    else:
        found = {name for row in train for name in _names(task.kind, row)}
    # That no row of MULTI_LABEL has a label says as little as that all are "O".
    if len(found) < (1 if task.kind is Kind.MULTI_LABEL else 2):
        raise UserError(
            f"{path}: its {len(train)} rows to train on have "
            + (f"one label, {found.pop()!r}" if found else "no label")
            + ": there is nothing to tell apart"
        )
