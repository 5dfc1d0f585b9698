"""Predictions of a fine-tuned model as lines of a file."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_prep.cli import UserError
from electra_tf.finetune.rows import Kind
from electra_tf.finetune.task_data import Prepared, TaskData, probabilities

_ENDINGS = (".tsv", ".jsonl")
# What has one answer a row, and a number for each label.
_FLAT = (Kind.CLASSIFICATION, Kind.MULTI_LABEL, Kind.REGRESSION)


def check_output(path: str, kind: Kind) -> None:
    """Refuses a file that the predictions have no form for.

    Raises:
      UserError: says which endings do.
    """
    allowed = _ENDINGS if kind in _FLAT else _ENDINGS[1:]
    if not path.endswith(allowed):
        raise UserError(f"--output={path}: {kind.value} is written to {allowed}")


def lines(
    path: str, task_data: TaskData, prepared: Prepared, logits: Sequence[np.ndarray]
) -> Iterator[str]:
    """The file's lines, in the rows' order.

    A .tsv has the columns id, prediction, and each label's probability. A .jsonl has
    objects with id, prediction and, by kind, probabilities, entities or answers.
    """
    found = task_data.predictions(prepared, logits)
    records = _records(task_data, prepared, logits, found)
    if path.endswith(".jsonl"):
        yield from (json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        return
    labels = () if task_data.kind is Kind.REGRESSION else task_data.labels
    yield "\t".join(["id", "prediction", *labels]) + "\n"
    for record in records:
        prediction = record["prediction"]
        if task_data.kind is Kind.MULTI_LABEL:
            prediction = ",".join(prediction)
        values = record.get("probabilities", {}).values()
        cells = [record["id"], str(prediction), *(f"{value:.6f}" for value in values)]
        yield "\t".join(cells) + "\n"


def _records(
    task_data: TaskData,
    prepared: Prepared,
    logits: Sequence[np.ndarray],
    found: Sequence[Any],
) -> Iterator[dict[str, Any]]:
    kind = task_data.kind
    if kind is Kind.QUESTION_ANSWERING:
        for row, best in zip(prepared.rows, found, strict=True):
            answers = [answer._asdict() for answer in best]
            yield {"id": row.id, "prediction": best[0].text, "answers": answers}
        return
    for row, value, prediction in zip(prepared.rows, logits, found, strict=True):
        record = {"id": row.id, "prediction": prediction}
        if kind is Kind.TAGGING:
            record = {"id": row.id, "entities": list(_entities(row, prediction))}
        elif kind is not Kind.REGRESSION:
            names = task_data.labels or range(len(value))
            shares = probabilities(kind, value).tolist()
            record["probabilities"] = dict(zip(names, shares, strict=True))
        yield record


def _entities(row, tags: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Runs of B- and I- tags as exact slices of the text."""
    start = end = 0
    kind = ""
    for unit, tag in zip((*row.label, None), (*tags, "O"), strict=True):
        if kind and tag != f"I-{kind}":
            text = row.text[start:end]
            yield {"type": kind, "text": text, "start": start, "end": end}
            kind = ""
        if tag != "O":
            if not kind:
                kind, start = tag[2:], unit.start
            end = unit.end
