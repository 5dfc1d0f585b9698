"""Predictions of a fine-tuned model as lines of a file."""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common.cli import UserError
from electra_tf.devices import strategies
from electra_tf.finetune import model_folder
from electra_tf.finetune import start as start_lib
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.data.rows import Kind, Row
from electra_tf.finetune.kinds.task_data import Prepared, TaskData, probabilities
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.training import Finetuner

_ENDINGS = (".tsv", ".jsonl")
_ROWS_AT_ONCE = 50_000
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


class Predictor:
    """A fine-tuned model that answers rows.

    Attributes:
      counts: what was found on the way, of all rows so far.

    Raises:
      UserError: no fine-tuned model is there, or the devices cannot share a batch.
    """

    def __init__(
        self, model_dir: str, strategy: tf.distribute.Strategy, batch_size: int
    ):
        strategies.check_batch_size(strategy, "predict_batch_size", batch_size)
        described = model_folder.read(model_dir)
        start = start_lib.read([model_dir])
        settings = Settings(predict_batch_size=batch_size, **described.reading)
        self.task_data = TaskData(
            described.kind, described.labels, start.tokenizer.tokenizer_json, settings
        )
        self.counts: Counter[str] = Counter()
        self._lengths = bucket_lengths(
            settings.max_seq_length, static=strategies.is_tpu(strategy)
        )
        self._finetuner = Finetuner.create(
            functools.partial(model_folder.make_model, described, start),
            *(strategy, settings, 1, 0),
        )
        variables = self._finetuner.model.named_variables
        start_lib.fill(variables, start, with_head=True)

    def logits(
        self, rows: Sequence[Row], title: str = "predicting"
    ) -> tuple[Prepared, list[np.ndarray]]:
        """The rows as the network reads them, and its logits for each sequence."""
        prepared = self.task_data.prepare(list(rows))
        self.counts.update(prepared.counts)
        batch_size = self.task_data.settings.predict_batch_size
        batches = Batches(prepared.features, self._lengths, batch_size)
        return prepared, self._finetuner.predict(batches, title)

    def lines(
        self, path: str, rows: Sequence[Row], rows_at_once: int = _ROWS_AT_ONCE
    ) -> Iterator[str]:
        """The file's lines, in the rows' order.

        A .tsv has the columns id, prediction, and each label's probability. A .jsonl
        has objects with id and, by kind, prediction, probabilities, answers or
        entities.

        Args:
          rows_at_once: tokens and logits of so many are in memory at a time.
        """
        is_tsv = not path.endswith(".jsonl")
        if is_tsv:
            is_number = self.task_data.kind is Kind.REGRESSION
            labels = () if is_number else self.task_data.labels
            yield "\t".join(["id", "prediction", *labels]) + "\n"
        for begin in range(0, len(rows), rows_at_once):
            some = rows[begin : begin + rows_at_once]
            title = f"predicting from row {begin + 1} of {len(rows)}"
            for record in _records(self.task_data, *self.logits(some, title)):
                if is_tsv:
                    yield "\t".join(_cells(record)) + "\n"
                else:
                    yield json.dumps(record, ensure_ascii=False) + "\n"


def _cells(record: dict[str, Any]) -> list[str]:
    prediction = record["prediction"]
    if isinstance(prediction, tuple):  # of several labels
        prediction = ",".join(prediction)
    values = record.get("probabilities", {}).values()
    return [record["id"], str(prediction), *(f"{value:.6f}" for value in values)]


def _records(
    task_data: TaskData, prepared: Prepared, logits: Sequence[np.ndarray]
) -> Iterator[dict[str, Any]]:
    kind, found = task_data.kind, task_data.predictions(prepared, logits)
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
