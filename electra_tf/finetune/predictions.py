"""Predictions of a fine-tuned model as lines of a file."""

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.cli import UserError
from electra_tf import distribution
from electra_tf.finetune import folder
from electra_tf.finetune import start as start_lib
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.rows import Kind, Row
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.task_data import Prepared, TaskData, probabilities
from electra_tf.finetune.training import Finetuner

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
        raise UserError(
            f"--output={path}: predictions of {kind.value} are written to a file whose "
            f"name ends in {' or '.join(allowed)}"
        )


def predict(
    model_dir: str, rows: list[Row], strategy: tf.distribute.Strategy, batch_size: int
) -> tuple[TaskData, Prepared, list[np.ndarray]]:
    """A fine-tuned model's logits for each sequence of the rows.

    Raises:
      UserError: no fine-tuned model is there, or the devices cannot share a batch.
    """
    distribution.check_batch_size(strategy, "predict_batch_size", batch_size)
    described = folder.read(model_dir)
    start = start_lib.read([model_dir])
    settings = Settings(predict_batch_size=batch_size, **described.reading)
    task_data = TaskData(
        described.kind, described.labels, start.tokenizer.tokenizer_json, settings
    )
    prepared = task_data.prepare(rows)
    lengths = bucket_lengths(
        settings.max_seq_length, static=distribution.is_tpu(strategy)
    )
    finetuner = Finetuner.create(
        functools.partial(folder.make_model, described, start), strategy, settings, 1, 0
    )
    start_lib.fill(finetuner.model.named_variables, start, with_head=True)
    logits = finetuner.predict(Batches(prepared.features, lengths, batch_size))
    return task_data, prepared, logits


def lines(
    path: str, task_data: TaskData, prepared: Prepared, logits: Sequence[np.ndarray]
) -> Iterator[str]:
    """The file's lines, in the rows' order.

    A .tsv has the columns id, prediction, and each label's probability. A .jsonl has
    objects with id and, by kind, prediction, probabilities, answers or entities.
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


def _entities(row: Row, tags: Sequence[str]) -> Iterator[dict[str, Any]]:
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
