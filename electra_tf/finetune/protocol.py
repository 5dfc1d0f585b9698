"""How a model is scored: the best epoch on dev, then once on test, for several seeds.

An output folder gets results.json, which grows seed by seed, so that the same command
resumes after a kill; and `model`, that of the best seed on dev.
"""

import dataclasses
import functools
import json
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from common.errors import UserError
from electra_tf.devices import strategies
from electra_tf.finetune import model_folder, pretrained
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.data.dataset import Dataset
from electra_tf.finetune.data.tasks import Task
from electra_tf.finetune.kinds import scoring
from electra_tf.finetune.kinds.base import Prepared, Reading
from electra_tf.finetune.model_folder import TaskDescription
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.pretrained import Pretrained
from electra_tf.finetune.results import Epoch, Results, Scores, Seed
from electra_tf.finetune.results_folder import ResultsFolder
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.training import DivergedError, Finetuner


@dataclasses.dataclass(frozen=True)
class Run:
    """One model on one task.

    Attributes:
      model_name: for tables.
      random_init: start from random weights; `pretrained` only gives the sizes and the
        tokenizer.
      overwrite: replace an earlier result when the new one is complete.
    """

    task: Task
    dataset: Dataset
    pretrained: Pretrained
    settings: Settings
    strategy: tf.distribute.Strategy
    output_dir: str
    model_name: str
    random_init: bool = False
    overwrite: bool = False

    @property
    def reading(self) -> Reading:
        tokenizer_json = self.pretrained.tokenizer.tokenizer_json
        return Reading(self.dataset.labels, tokenizer_json, self.settings)


def resolved(
    settings: Settings, task: Task, strategy: tf.distribute.Strategy
) -> Settings:
    """Settings with the task's and the devices' values where none were given."""
    return dataclasses.replace(
        settings,
        num_train_epochs=settings.num_train_epochs or task.num_train_epochs,
        max_seq_length=settings.max_seq_length or task.max_seq_length,
        compute_dtype=strategies.resolve_dtype(strategy, settings.compute_dtype),
    )


def score(run: Run, seeds: Sequence[int]) -> Results:
    """Fine-tunes once for each seed that results.json does not have yet.

    A seed whose network diverges counts as failed, and is tried again the next time.
    Of several workers the first one returns all results, the others what they trained.

    Raises:
      UserError: the folder has files of others or results of another run, the settings
        do not fit, or another worker stopped.
    """
    _check(run)
    prepared = _prepared(run)
    counts = run.dataset.counts | {
        f"{split}_{name}": count
        for split, part in prepared.items()
        for name, count in part.counts.items()
    }
    logging.info("%s: %s", run.task.name, json.dumps(counts))
    try:
        return _score_seeds(run, prepared, seeds, _described(run, counts))
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise UserError(
            "another worker, or the TPU, went away: run the same command on all hosts "
            f"to resume ({error.message.splitlines()[0]})"
        ) from error


def _score_seeds(
    run: Run, prepared: dict[str, Prepared], seeds: Sequence[int], whole: Results
) -> Results:
    folder = ResultsFolder(run.output_dir, run.overwrite, run.strategy)
    before, left = folder.begin(whole, seeds)
    whole = dataclasses.replace(whole, seeds=before)
    for seed in seeds:
        if seed not in left:
            logging.info("seed %d is already in %s", seed, run.output_dir)
            continue
        scored, weights, model = _score_seed(run, prepared, seed)
        if weights and _is_best(scored, whole):
            tokenizer = run.pretrained.tokenizer
            folder.write_model(model, weights, _task_description(run), tokenizer)
        others = [s for s in whole.seeds if s.seed != seed]
        ordered = sorted([*others, scored], key=lambda s: s.seed)
        whole = dataclasses.replace(whole, seeds=ordered)
        folder.write(whole)
    folder.finish(any(seed.error is None for seed in whole.seeds))
    return whole


def _check(run: Run) -> None:
    """Raises UserError for what would otherwise fail after hours of training."""
    kind, labels, settings = run.dataset.kind, run.dataset.labels, run.settings
    strategies.check_reads_here(run.strategy)
    length, longest = (
        settings.max_seq_length,
        run.pretrained.network.max_position_embeddings,
    )
    if not 3 < length <= longest:
        raise UserError(
            f"--max_seq_length={length}: {run.pretrained.path} has {longest} "
            f"positions, so it must be from 4 to {longest}"
        )
    for name in ("train_batch_size", "predict_batch_size"):
        strategies.check_batch_size(run.strategy, name, getattr(settings, name))
    if run.task.metric not in kind.metric_names(labels):
        raise UserError(
            f"--metric={run.task.metric}: the scores of {kind.name} with {len(labels)} "
            f"labels are {', '.join(kind.metric_names(labels))}"
        )
    if kind.metrics_library:
        scoring.library(kind.metrics_library)


def _prepared(run: Run) -> dict[str, Prepared]:
    """What the network reads of train and dev, and of test if there is one."""
    data = run.dataset
    splits = {"train": data.train, "dev": data.dev, "test": data.test}
    prepared = {
        split: data.kind.prepare(run.reading, rows, training=split == "train")
        for split, rows in splits.items()
        if rows
    }
    if not len(prepared["train"].features.input_ids):
        raise UserError(
            f"{run.task.name}: none of the {len(data.train)} train rows can be used: "
            f"{prepared['train'].counts}"
        )
    features, size = prepared["train"].features, run.settings.train_batch_size
    if (number := len(features.input_ids) // features.group) < size:
        logging.warning(
            "%d train rows are fewer than --train_batch_size=%d: "
            "an epoch is one update",
            *(number, size),
        )
    return prepared


def _task_description(run: Run) -> TaskDescription:
    return TaskDescription(
        run.task.name,
        run.dataset.kind,
        run.dataset.labels,
        has_pairs=run.dataset.train[0].text_pair is not None,
        reading={n: getattr(run.settings, n) for n in model_folder.READING_SETTINGS},
    )


def _described(run: Run, counts: dict[str, int]) -> Results:
    begun_with = run.pretrained
    config = {
        **dataclasses.asdict(run.settings),
        "network": dataclasses.asdict(begun_with.network),
        "embedding_size": begun_with.embedding_size,
        "vocab_sha256": begun_with.tokenizer.vocab_sha256,
    }
    return Results(
        task=run.task.name,
        metric=run.task.metric,
        model=run.model_name,
        init="random" if run.random_init else "pretrained",
        checkpoint=None if run.random_init else begun_with.checkpoint,
        **run.dataset.described,
        config=config,
        counts=counts,
        seeds=[],
    )


def _score_seed(
    run: Run, prepared: dict[str, Prepared], seed: int
) -> tuple[Seed, dict[str, np.ndarray], FinetuningModel | None]:
    """One fine-tuning; its weights are empty if it failed."""
    begin = time.monotonic()
    batches = {
        split: _batches(run, part, training=split == "train")
        for split, part in prepared.items()
    }
    finetuner = make_finetuner(run, batches["train"].num_batches, seed)

    def scored(split: str) -> Scores:
        kind, part = run.dataset.kind, prepared[split]
        logits = finetuner.predict(batches[split])
        predictions = kind.predictions(run.reading, part, logits)
        return kind.scores(predictions, part.rows, run.dataset.labels)

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
    scored_seed = Seed(seed, best.epoch, epochs, best.dev, test, seconds)
    return scored_seed, weights, finetuner.model


def _batches(run: Run, prepared: Prepared, training: bool) -> Batches:
    settings = run.settings
    lengths = bucket_lengths(
        settings.max_seq_length, static=strategies.is_tpu(run.strategy)
    )
    size = settings.train_batch_size if training else settings.predict_batch_size
    return Batches(prepared.features, lengths, size)


def make_finetuner(run: Run, steps_per_epoch: int, seed: int) -> Finetuner:
    """Pretrained, or random, with a random head."""
    settings = run.settings
    network = dataclasses.replace(
        run.pretrained.network,
        hidden_dropout_prob=settings.hidden_dropout_prob,
        attention_probs_dropout_prob=settings.attention_probs_dropout_prob,
    )
    make_model = functools.partial(
        FinetuningModel,
        run.dataset.kind,
        network,
        run.pretrained.embedding_size,
        len(run.dataset.labels),
        seed,
        tf.as_dtype(settings.compute_dtype),
    )
    steps = settings.num_train_epochs * steps_per_epoch
    finetuner = Finetuner(make_model, run.strategy, settings, steps, seed)
    if not run.random_init:
        variables = finetuner.model.named_variables
        pretrained.fill(variables, run.pretrained, with_head=False)
    return finetuner


def _learn(
    run: Run,
    finetuner: Finetuner,
    batches: Batches,
    scored: Callable[[str], Scores],
) -> tuple[list[Epoch], Epoch, dict[str, np.ndarray]]:
    """All epochs, the best of them on dev, and its weights."""
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


def _is_best(scored: Seed, before: Results) -> bool:
    """Whether no other seed is as good: the first one scored wins ties."""
    return all(
        _is_better(scored.dev[before.metric], other.dev[before.metric])
        for other in before.seeds
        if other.error is None
    )


def _is_better(value: float, before: float) -> bool:
    """Any number is better than an undefined score."""
    return value > before or (math.isnan(before) and not math.isnan(value))


def _line(scores: Scores) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in scores.items())
