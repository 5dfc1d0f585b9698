"""A task's files -> train, dev and test rows.

If a task has no dev file, a tenth of train becomes the dev set, by a hash of each row's
text: no seed matters, nor do the other rows. Rows with the same text stay together, and
so do the questions of one article.

Rows of train and dev with an empty text are dropped, because they teach nothing. Test
rows all stay, so that scores cover as many rows as the published ones.
"""

import dataclasses
import hashlib
import json
import os
from collections import Counter

from common import files
from common.errors import UserError
from electra_tf.finetune.data import readers
from electra_tf.finetune.data.dataset import Dataset, LocatedRow
from electra_tf.finetune.data.tasks import Files, Task
from electra_tf.finetune.kinds.rows import Row

DEV_SHARE = 0.1
_HASHES = 1 << 64


def load(task: Task, data_dir: str, train_rows: int = 0) -> Dataset:
    """The rows of a task.

    Args:
      data_dir: the folder of the files in `task.files`; "" if those are whole paths.
      train_rows: how many rows to train on, drawn by a hash of their content: the first
        2,000 are among the first 20,000. 0 takes all.

    Returns:
      The dataset. Its counts, by split ("train_" ...): "empty_text" rows, dropped from
      train and dev; "in_train", rows of dev and test with the texts of a train row;
      "repaired_tags" and "moved_answers" (see `annotations`); "lost_answer" rows,
      dropped from train and dev, none of whose answers is in its context.

    Raises:
      UserError: a file or column is missing, a row is damaged, a label is unknown, or
        all train rows have the same label.
    """
    release = find_release(task, data_dir)
    counts: Counter[str] = Counter()
    splits = {
        split: _read_split(task, path, split, counts) if path else []
        for split, path in release._asdict().items()
    }
    in_train = {
        name for row, *_ in splits["train"] for name in task.kind.names(row.label)
    }
    labels = task.kind.all_labels(task.labels, in_train)
    for split, path in release._asdict().items():
        _check_labels(path, splits[split], task, labels)
    if not release.dev:
        splits["train"], splits["dev"] = split_off_dev(splits["train"])
        _check_split(release.train, splits["train"], splits["dev"])
    rows = {split: [row for row, *_ in found] for split, found in splits.items()}
    rows["train"] = draw(rows["train"], train_rows)
    for split, path in release._asdict().items():
        _check_variety(task, split, path or release.train, rows[split])
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
    """Paths of the first of the task's releases whose train file is in the folder.

    Raises:
      UserError: there is none, or another of its files is missing.
    """
    missing = [release.train for release in task.files]
    for release in task.files:
        paths = Files(*(name and os.path.join(data_dir, name) for name in release))
        if files.exists(paths.train):
            pairs = zip(release, paths, strict=True)
            missing = [name for name, path in pairs if path and not files.exists(path)]
            if not missing:
                return paths
            break
    folder = os.path.dirname(os.path.join(data_dir, missing[0])) or "."
    there = files.listdir(folder)
    shown = ", ".join(there[:20]) + (f" and {len(there) - 20} more" * (len(there) > 20))
    raise UserError(
        f"{task.name} needs {' or '.join(missing)}, not found in {folder}, which "
        + (f"holds {shown}" if there else "is empty or does not exist")
    )


def _read_split(
    task: Task, path: str, split: str, counts: Counter[str]
) -> list[LocatedRow]:
    """A file's rows; of train and dev only those that something can be learnt from."""
    rows, repaired = readers.read(task, path)
    for name, count in repaired.items():
        counts[f"{split}_{name}"] += count
    empty = [_is_empty(located.row) for located in rows]
    counts[f"{split}_empty_text"] += sum(empty)
    if split == "test":
        return rows
    rows = [located for located, drop in zip(rows, empty, strict=True) if not drop]
    if not rows:
        raise UserError(f"{path}: every row has an empty text")
    if task.kind.file_format == "squad":
        placed = [_with_placed_answers(located) for located in rows]
        rows = [located for located in placed if located.row.label]
        counts[f"{split}_lost_answer"] += len(placed) - len(rows)
        if not rows:
            raise UserError(
                f"{path}: none of {len(placed)} questions has an answer in its context"
            )
    return rows


def _with_placed_answers(located: LocatedRow) -> LocatedRow:
    """Without the answers that are not in the context at their place."""
    row = located.row
    answers = tuple(answer for answer in row.label if answer.is_in(row.text))
    return located._replace(row=dataclasses.replace(row, label=answers))


def _is_empty(row: Row) -> bool:
    pair = () if row.text_pair is None else (row.text_pair,)
    return not all(text.strip() for text in (row.text, *pair, *row.choices))


def split_off_dev(train: list[LocatedRow]) -> tuple[list[LocatedRow], list[LocatedRow]]:
    """(train, dev), each in the order of the file."""
    sides: tuple[list[LocatedRow], list[LocatedRow]] = ([], [])
    for located in train:
        place = hash_of("dev", located.group or located.row.text)
        sides[place < DEV_SHARE * _HASHES].append(located)
    return sides


def _check_split(path: str, train: list[LocatedRow], dev: list[LocatedRow]) -> None:
    if not train or not dev:
        raise UserError(
            f"{path}: too few different texts ({len(train) + len(dev)} rows) to make "
            f"{DEV_SHARE:.0%} of them the dev set: pass a dev file"
        )


def draw(rows: list[Row], count: int) -> list[Row]:
    """`count` rows by a hash of their content, in their order; 0 draws all.

    A smaller draw is always part of a larger one.
    """
    if not count or count >= len(rows):
        return rows
    hashes = [hash_of("draw", json.dumps(_content(row))) for row in rows]
    chosen = sorted(range(len(rows)), key=lambda index: (hashes[index], index))
    return [rows[index] for index in sorted(chosen[:count])]


def hash_of(purpose: str, text: str) -> int:
    """One of 2**64 numbers; different for each purpose."""
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


def _check_labels(
    path: str, rows: list[LocatedRow], task: Task, labels: tuple[str, ...]
) -> None:
    known = set(labels)
    for row, where, _ in rows:
        for name in task.kind.names(row.label):
            if name not in known:
                whose = task.name if task.labels else "the train file"
                raise UserError(
                    f"{path}, {where} (id {row.id}): {whose} has no label {name!r}; "
                    f"it has {', '.join(labels)}"
                )


def _check_variety(task: Task, split: str, path: str, rows: list[Row]) -> None:
    """Refuses train rows that teach a constant, others that no score is defined on."""
    is_train = split == "train"
    least = task.kind.min_distinct if is_train else task.kind.min_distinct_to_score
    values = {value for row in rows for value in task.kind.distinct(row.label)}
    if rows and len(values) < least:
        raise UserError(
            f"{path}: its {len(rows)} {split} rows have "
            + (f"one label, {values.pop()!r}" if values else "no label")
            + "; at least two different ones are needed"
        )
