"""Predictions of a fine-tuned model as lines of a file."""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common.errors import UserError
from electra_tf.devices import strategies
from electra_tf.finetune import model_folder, pretrained
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.kinds.base import Kind, Prepared, Reading
from electra_tf.finetune.kinds.rows import Row
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.training import Finetuner

_ENDINGS = (".tsv", ".jsonl")
_ROWS_AT_ONCE = 50_000


def check_output(path: str, kind: Kind) -> None:
    """Refuses a file format that cannot hold the kind's predictions.

    Raises:
      UserError: names the endings that are allowed.
    """
    allowed = _ENDINGS if kind.fits_tsv else _ENDINGS[1:]
    if not path.endswith(allowed):
        raise UserError(
            f"--output={path}: for predictions of {kind.name} the name must end in "
            f"{' or '.join(allowed)}"
        )


class Predictor:
    """A fine-tuned model that predicts rows.

    Attributes:
      counts: of all rows so far: how many were cut, and the like.

    Raises:
      UserError: the folder has no fine-tuned model, or the devices cannot share a
        batch.
    """

    def __init__(
        self, model_dir: str, strategy: tf.distribute.Strategy, batch_size: int
    ):
        strategies.check_batch_size(strategy, "predict_batch_size", batch_size)
        described = model_folder.read(model_dir)
        weights = pretrained.read([model_dir])
        settings = Settings(predict_batch_size=batch_size, **described.reading)
        self.kind = described.kind
        self.reading = Reading(
            described.labels, weights.tokenizer.tokenizer_json, settings
        )
        self.counts: Counter[str] = Counter()
        self._lengths = bucket_lengths(
            settings.max_seq_length, static=strategies.is_tpu(strategy)
        )
        sizes = weights.network, weights.embedding_size, len(described.labels)
        self._finetuner = Finetuner(
            functools.partial(FinetuningModel, described.kind, *sizes),
            *(strategy, settings, 1, 0),
        )
        variables = self._finetuner.model.named_variables
        pretrained.fill(variables, weights, with_head=True)

    def logits(
        self, rows: Sequence[Row], title: str = "predicting"
    ) -> tuple[Prepared, list[np.ndarray]]:
        """What the network reads of the rows, and its logits for each sequence."""
        prepared = self.kind.prepare(self.reading, list(rows))
        self.counts.update(prepared.counts)
        batch_size = self.reading.settings.predict_batch_size
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
          rows_at_once: how many rows' tokens and logits are in memory at a time.
        """
        is_tsv = not path.endswith(".jsonl")
        if is_tsv:
            yield "\t".join(["id", "prediction", *self.reading.labels]) + "\n"
        for begin in range(0, len(rows), rows_at_once):
            some = rows[begin : begin + rows_at_once]
            title = f"predicting from row {begin + 1} of {len(rows)}"
            for record in self._records(*self.logits(some, title)):
                if is_tsv:
                    yield "\t".join(_cells(record)) + "\n"
                else:
                    yield json.dumps(record, ensure_ascii=False) + "\n"

    def _records(
        self, prepared: Prepared, logits: Sequence[np.ndarray]
    ) -> Iterator[dict[str, Any]]:
        predictions = self.kind.predictions(self.reading, prepared, logits)
        for i, (row, prediction) in enumerate(
            zip(prepared.rows, predictions, strict=True)
        ):
            record = {"id": row.id, **self.kind.record(row, prediction)}
            if self.kind.has_probabilities:
                shares = self.kind.probabilities(logits[i]).tolist()
                names = self.reading.labels or range(len(shares))
                record["probabilities"] = dict(zip(names, shares, strict=True))
            yield record


def _cells(record: dict[str, Any]) -> list[str]:
    prediction = record["prediction"]
    if isinstance(prediction, tuple):  # several labels
        prediction = ",".join(prediction)
    values = record.get("probabilities", {}).values()
    return [record["id"], str(prediction), *(f"{value:.6f}" for value in values)]
