"""How a score comes about: the best epoch by dev, then test, once, for several seeds.

An output folder holds results.json, which grows by a seed at a time, so that the same
command goes on after a kill; and `model`, that of the best seed by dev.
"""

import dataclasses
import functools
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_prep import files
from data_prep.cli import UserError
from electra_tf import distribution
from electra_tf.finetune import folder, results
from electra_tf.finetune import start as start_lib
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.folder import Described
from electra_tf.finetune.model import FinetuningModel
from electra_tf.finetune.results import Epoch, Results, Scores, Seed
from electra_tf.finetune.rows import Dataset, Row
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.start import Start
from electra_tf.finetune.task_data import Prepared, TaskData
from electra_tf.finetune.tasks import Task
from electra_tf.finetune.training import Finetuner

MODEL_FOLDER = "model"


@dataclasses.dataclass(frozen=True)
class Run:
    """One model on one task.

    Attributes:
      model_name: for tables.
      random_init: leave the network as it is before any training; `start` gives its
        sizes and the tokenizer.
    """

    task: Task
    dataset: Dataset
    start: Start
    settings: Settings
    strategy: tf.distribute.Strategy
    output_dir: str
    model_name: str
    random_init: bool = False

    @property
    def described(self) -> Described:
        reading = {name: getattr(self.settings, name) for name in folder.READING}
        data = self.dataset
        return Described(self.task.name, data.kind, data.labels, reading)


def resolved(settings: Settings, task: Task, strategy: Any) -> Settings:
    """Settings with the task's and the devices' own values where none were given."""
    return dataclasses.replace(
        settings,
        num_train_epochs=settings.num_train_epochs or task.num_train_epochs,
        max_seq_length=settings.max_seq_length or task.max_seq_length,
        compute_dtype=distribution.resolve_dtype(strategy, settings.compute_dtype),
    )


def score(run: Run, seeds: Sequence[int]) -> Results:
    """Fine-tunes once per seed that results.json does not have yet.

    A seed whose loss is no longer finite counts as failed, and is tried again the next
    time.

    Raises:
      UserError: the folder has results of another run, or the settings do not fit.
    """
    settings, data = run.settings, run.dataset
    start_lib.check_length(run.start, settings.max_seq_length)
    distribution.check_batch_sizes(
        run.strategy, settings.train_batch_size, settings.predict_batch_size
    )
    tokenizer = run.start.tokenizer
    task_data = TaskData(data.kind, data.labels, tokenizer.tokenizer_json, settings)
    prepared = {
        split: task_data.prepare(rows, training=split == "train")
        for split, rows in (
            ("train", data.train),
            ("dev", data.dev),
            ("test", data.test),
        )
        if rows
    }
    counts = {
        f"{split}_{name}": count
        for split, part in prepared.items()
        for name, count in part.counts.items()
    }
    logging.info("%s: %s", run.task.name, json.dumps(data.counts | counts))
    found = _described(run, data.counts | counts)
    path = os.path.join(run.output_dir, results.RESULTS_FILE)
    done = _finished_seeds(path, found)
    found = dataclasses.replace(found, seeds=list(done.values()))
    for seed in seeds:
        if seed in done:
            logging.info("seed %d is in %s", seed, path)
            continue
        scored, weights, model = _score_seed(run, task_data, prepared, seed)
        others = [seed.dev[run.task.metric] for seed in done.values() if seed.dev]
        is_best = weights and not any(
            _is_better(other, scored.dev[run.task.metric]) for other in others
        )
        if is_best and distribution.is_chief(run.strategy):
            folder.write(
                os.path.join(run.output_dir, MODEL_FOLDER),
                model,
                weights,
                run.described,
                tokenizer,
            )
        done[seed] = scored
        found = dataclasses.replace(found, seeds=[done[s] for s in sorted(done)])
        if distribution.is_chief(run.strategy):
            results.write(run.output_dir, found)
    return found


def _described(run: Run, counts: dict[str, int]) -> Results:
    data, start = run.dataset, run.start
    config = {
        **dataclasses.asdict(run.settings),
        "network": dataclasses.asdict(start.network),
        "embedding_size": start.embedding_size,
        "vocab_sha256": start.tokenizer.vocab_sha256,
    }
    return Results(
        task=run.task.name,
        kind=data.kind.value,
        metric=run.task.metric,
        model=run.model_name,
        init="random" if run.random_init else "pretrained",
        checkpoint=None if run.random_init else start.checkpoint,
        train_rows=len(data.train),
        dev_rows=len(data.dev),
        test_rows=len(data.test),
        dev_from=data.dev_from,
        data_sha256=data.sha256,
        config=config,
        counts=counts,
        seeds=[],
    )


def _finished_seeds(path: str, now: Results) -> dict[int, Seed]:
    """Seeds of an earlier call; those that failed are not among them.

    Raises:
      UserError: they are of other data, weights or settings.
    """
    if not files.exists(path):
        return {}
    before = results.read(path)
    for field in dataclasses.fields(Results):
        if field.name in ("model", "seeds"):
            continue
        then, is_now = (_identity(getattr(r, field.name)) for r in (before, now))
        if then != is_now:
            raise UserError(
                f"{path} is of another run: {field.name} {_difference(then, is_now)}. "
                "Name another --output_dir, or remove that folder"
            )
    return {seed.seed: seed for seed in before.seeds if seed.error is None}


def _identity(value: Any) -> Any:
    """Weights are told by their SHA-256, wherever they lie."""
    if isinstance(value, dict) and "sha256" in value:
        return {name: part for name, part in value.items() if name != "path"}
    return value


def _difference(then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
        return ", ".join(
            f"{n}: {then.get(n)!r} there, {now.get(n)!r} now" for n in names
        )
    return f"{then!r} there, {now!r} now"


def _score_seed(
    run: Run, task_data: TaskData, prepared: dict[str, Prepared], seed: int
) -> tuple[Seed, dict[str, np.ndarray], FinetuningModel | None]:
    """One fine-tuning; its weights are empty if it failed."""
    begin = time.monotonic()
    batches = {
        split: _batches(run, part, training=split == "train")
        for split, part in prepared.items()
    }
    finetuner = _finetuner(run, batches["train"].num_batches, seed)

    def scored(split: str) -> Scores:
        logits = finetuner.predict(batches[split])
        predictions = task_data.predictions(prepared[split], logits)
        return task_data.scores(prepared[split].rows, predictions)

    try:
        epochs, best, weights = _learn(run, finetuner, batches["train"], scored)
    except UserError as error:
        logging.error("%s, seed %d failed: %s", run.task.name, seed, error)
        return Seed(seed, error=str(error)), {}, None
    finetuner.assign(weights)
    test = scored("test") if "test" in prepared else None
    logging.info(
        "%s, seed %d: best epoch %d, test %s",
        *(run.task.name, seed, best.epoch, test and _line(test)),
    )
    seconds = time.monotonic() - begin
    found = Seed(seed, best.epoch, epochs, best.dev, test, seconds)
    return found, weights, finetuner.model


def _batches(run: Run, prepared: Prepared, training: bool) -> Batches:
    settings = run.settings
    lengths = bucket_lengths(
        settings.max_seq_length, static=distribution.is_tpu(run.strategy)
    )
    size = settings.train_batch_size if training else settings.predict_batch_size
    return Batches(prepared.features, lengths, size)


def _finetuner(run: Run, steps_per_epoch: int, seed: int) -> Finetuner:
    """At its start: pretrained, or random, with a random head."""
    settings = run.settings
    make_model = functools.partial(
        folder.make_model,
        run.described,
        run.start,
        seed,
        compute_dtype=tf.as_dtype(settings.compute_dtype),
    )
    steps = settings.num_train_epochs * steps_per_epoch
    found = Finetuner.create(make_model, run.strategy, settings, steps, seed)
    if not run.random_init:
        start_lib.fill(found.model.named_variables, run.start, with_head=False)
    return found


def _learn(
    run: Run,
    finetuner: Finetuner,
    batches: Batches,
    scored: Callable[[str], Scores],
) -> tuple[list[Epoch], Epoch, dict[str, np.ndarray]]:
    """All epochs, the best of them by dev, and the weights it had."""
    epochs: list[Epoch] = []
    best, weights = None, {}
    for epoch in range(run.settings.num_train_epochs):
        loss = finetuner.train_epoch(batches, epoch)
        epochs.append(Epoch(epoch + 1, loss, scored("dev")))
        logging.info(
            "%s, seed %d, epoch %d: loss %.4f, dev %s",
            *(run.task.name, finetuner.seed, epoch + 1, loss, _line(epochs[-1].dev)),
        )
        metric = run.task.metric
        if best is None or _is_better(epochs[-1].dev[metric], best.dev[metric]):
            best, weights = epochs[-1], finetuner.weights()
    return epochs, best, weights


def _is_better(value: float, before: float) -> bool:
    """Any number is better than a score that is undefined."""
    return value > before or (math.isnan(before) and not math.isnan(value))


def _line(scores: Scores) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in scores.items())


def predict(
    model_dir: str, rows: list[Row], strategy: tf.distribute.Strategy, batch_size: int
) -> tuple[TaskData, Prepared, list[np.ndarray]]:
    """A fine-tuned model's logits for each sequence of the rows."""
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
