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

import numpy as np
import tensorflow as tf
from absl import logging

from common.cli import UserError
from electra_tf.devices import strategies
from electra_tf.finetune import model_folder, results
from electra_tf.finetune import start as start_lib
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.data.rows import Dataset
from electra_tf.finetune.data.tasks import Task
from electra_tf.finetune.kinds import metrics
from electra_tf.finetune.kinds.task_data import Prepared, TaskData
from electra_tf.finetune.model_folder import Described
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.results import Epoch, Results, Scores, Seed
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.start import Start
from electra_tf.finetune.training import DivergedError, Finetuner

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
        reading = {name: getattr(self.settings, name) for name in model_folder.READING}
        data = self.dataset
        has_pairs = data.train[0].text_pair is not None
        return Described(self.task.name, data.kind, data.labels, has_pairs, reading)


def resolved(
    settings: Settings, task: Task, strategy: tf.distribute.Strategy
) -> Settings:
    """Settings with the task's and the devices' own values where none were given."""
    return dataclasses.replace(
        settings,
        num_train_epochs=settings.num_train_epochs or task.num_train_epochs,
        max_seq_length=settings.max_seq_length or task.max_seq_length,
        compute_dtype=strategies.resolve_dtype(strategy, settings.compute_dtype),
    )


def score(run: Run, seeds: Sequence[int]) -> Results:
    """Fine-tunes once per seed that results.json does not have yet.

    A seed whose network diverges counts as failed, and is tried again the next time.

    Raises:
      UserError: the folder has results of another run, or the settings do not fit.
    """
    task_data = TaskData(
        run.dataset.kind,
        run.dataset.labels,
        run.start.tokenizer.tokenizer_json,
        run.settings,
    )
    _check(run, task_data)
    prepared = _prepared(run, task_data)
    counts = run.dataset.counts | {
        f"{split}_{name}": count
        for split, part in prepared.items()
        for name, count in part.counts.items()
    }
    logging.info("%s: %s", run.task.name, json.dumps(counts))
    found = _described(run, counts)
    before = results.seeds_before(run.output_dir, found)
    found = dataclasses.replace(found, seeds=before)
    # At once, so that after a kill the folder is known for this run's.
    _write(run, found)
    for seed in seeds:
        if any(s.seed == seed and s.error is None for s in found.seeds):
            logging.info("seed %d is in %s", seed, run.output_dir)
            continue
        scored, weights, model = _score_seed(run, task_data, prepared, seed)
        if weights and _is_best(scored, found):
            _write_model(run, model, weights)
        others = [s for s in found.seeds if s.seed != seed]
        ordered = sorted([*others, scored], key=lambda s: s.seed)
        found = dataclasses.replace(found, seeds=ordered)
        _write(run, found)
    return found


def _check(run: Run, task_data: TaskData) -> None:
    """Raises UserError for what would fail after hours of training."""
    settings, metric = run.settings, run.task.metric
    strategies.check_reads_here(run.strategy)
    start_lib.check_length(run.start, settings.max_seq_length)
    for name in ("train_batch_size", "predict_batch_size"):
        strategies.check_batch_size(run.strategy, name, getattr(settings, name))
    if metric not in task_data.metric_names:
        raise UserError(
            f"--metric={metric}: the scores of {len(task_data.labels)} labels of "
            f"{task_data.kind.value} are {', '.join(task_data.metric_names)}"
        )
    metrics.check_library(task_data.kind)


def _prepared(run: Run, task_data: TaskData) -> dict[str, Prepared]:
    """The splits that there are, as the network reads them."""
    data = run.dataset
    splits = {"train": data.train, "dev": data.dev, "test": data.test}
    prepared = {
        split: task_data.prepare(rows, training=split == "train")
        for split, rows in splits.items()
        if rows
    }
    if not len(prepared["train"].features.input_ids):
        raise UserError(
            f"{run.task.name}: none of the {len(data.train)} rows of train can be "
            f"learnt from: {prepared['train'].counts}"
        )
    return prepared


def _write(run: Run, found: Results) -> None:
    if strategies.is_chief(run.strategy):
        results.write(run.output_dir, found)


def _write_model(
    run: Run, model: FinetuningModel, weights: dict[str, np.ndarray]
) -> None:
    if strategies.is_chief(run.strategy):
        path = os.path.join(run.output_dir, MODEL_FOLDER)
        model_folder.write(path, model, weights, run.described, run.start.tokenizer)


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
        metric=run.task.metric,
        model=run.model_name,
        init="random" if run.random_init else "pretrained",
        checkpoint=None if run.random_init else start.checkpoint,
        **data.described,
        config=config,
        counts=counts,
        seeds=[],
    )


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
    except DivergedError as error:
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
        settings.max_seq_length, static=strategies.is_tpu(run.strategy)
    )
    size = settings.train_batch_size if training else settings.predict_batch_size
    return Batches(prepared.features, lengths, size)


def _finetuner(run: Run, steps_per_epoch: int, seed: int) -> Finetuner:
    """At its start: pretrained, or random, with a random head."""
    settings = run.settings
    network = dataclasses.replace(
        run.start.network,
        hidden_dropout_prob=settings.hidden_dropout_prob,
        attention_probs_dropout_prob=settings.attention_probs_dropout_prob,
    )
    make_model = functools.partial(
        model_folder.make_model,
        run.described,
        dataclasses.replace(run.start, network=network),
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


def _is_best(scored: Seed, found: Results) -> bool:
    """Whether no other seed is as good; of equals the first one scored stays."""
    return all(
        _is_better(scored.dev[found.metric], other.dev[found.metric])
        for other in found.seeds
        if other.error is None
    )


def _is_better(value: float, before: float) -> bool:
    """Any number is better than a score that is undefined."""
    return value > before or (math.isnan(before) and not math.isnan(value))


def _line(scores: Scores) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in scores.items())
