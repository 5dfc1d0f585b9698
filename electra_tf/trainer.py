"""The training loop: many steps inside one tf.function, then log, save, evaluate."""

import json
import math
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_prep import files
from data_prep.cli import UserError
from electra_tf import checkpoints, masking, metrics
from electra_tf.config import PretrainingConfig
from electra_tf.encoder import RandomStream
from electra_tf.masking import Inputs
from electra_tf.optimization import AdamWeightDecay, learning_rate
from electra_tf.pretraining_model import PretrainingModel, PretrainingOutput, mean

METRICS_FILE = "metrics.jsonl"
_CLIP_NORM = 1.0
# Evaluation draws from a stream of its own, the same one every time.
_EVAL_STREAM = 2**31 - 1


def step_seeds(seed: int, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Seeds for masking, sampling and dropout, keyed by (seed, step, replica)."""
    base = tf.random.fold_in(tf.constant([seed, 0]), tf.cast(step, tf.int32))
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    base = tf.random.fold_in(base, tf.cast(replica, tf.int32))
    return tuple(tf.unstack(tf.random.split(base, 3)))


class Trainer:
    """A model, its optimizer and the compiled steps, on the devices of a strategy."""

    def __init__(self, config: PretrainingConfig, strategy: tf.distribute.Strategy):
        self.config, self.strategy = config, strategy
        with strategy.scope():
            self.model = PretrainingModel(config)
            self.optimizer = AdamWeightDecay(
                self.model.named_variables, config.weight_decay_rate
            )
        self._train_steps = tf.function(self._train_steps_impl)
        self._eval_step = tf.function(self._eval_step_impl)

    @property
    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        return self.model.named_variables | self.optimizer.named_slots

    def train_steps(
        self, iterator: Iterator, first_step: int, count: int
    ) -> dict[str, np.ndarray]:
        """`count` updates in one call; returns summed metrics."""
        sums = self._train_steps(
            iterator, tf.constant(first_step, tf.int64), tf.constant(count)
        )
        return {name: value.numpy() for name, value in sums.items()}

    def _train_steps_impl(self, iterator, first_step, count):
        sums = metrics.zero_sums(self.config.has_discriminator)
        for i in tf.range(count):
            step = first_step + tf.cast(i, tf.int64)
            more = self.strategy.run(self._replica_train_step, (next(iterator), step))
            sums = {name: sums[name] + self._sum(more[name]) for name in sums}
        return sums

    def _sum(self, per_replica: Any) -> tf.Tensor:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)

    def _forward(self, batch, step, training: bool):
        inputs = Inputs(**batch)
        mask_seed, sample_seed, dropout_seed = step_seeds(self.config.seed, step)
        masked = masking.mask(inputs, self.config, mask_seed)
        output = self.model(
            inputs,
            masked,
            lambda logits: masking.sample(logits, masked, self.config, sample_seed),
            RandomStream(dropout_seed) if training else None,
        )
        return inputs, masked, output

    def _replica_train_step(self, batch, step):
        variables = list(self.model.named_variables.values())
        with tf.GradientTape() as tape:
            inputs, masked, output = self._forward(batch, step, training=True)
            loss = self.replica_loss(output)
        # The slices of an embedding's gradient are summed before the norm is taken, as
        # the original does on TPU.
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
        norm = self.apply_gradients(gradients, learning_rate(step, self.config))
        sums = metrics.batch_sums(inputs, masked, output)
        share = 1.0 / self.strategy.num_replicas_in_sync
        return sums | {
            "steps": tf.constant(share),
            "grad_norm": norm * share,
            "clipped": tf.cast(norm > _CLIP_NORM, tf.float32) * share,
        }

    def apply_gradients(self, gradients: list[tf.Tensor], lr: tf.Tensor) -> tf.Tensor:
        """Adds up the replicas' gradients, clips them, updates; returns their norm."""
        if self.config.per_replica_loss:
            gradients, norm = tf.clip_by_global_norm(gradients, _CLIP_NORM)
            share = 1.0 / self.strategy.num_replicas_in_sync
            gradients = _all_reduce([gradient * share for gradient in gradients])
        else:
            gradients = _all_reduce(gradients)
            gradients, norm = tf.clip_by_global_norm(gradients, _CLIP_NORM)
        self.optimizer.apply(list(map(tf.convert_to_tensor, gradients)), lr)
        return norm

    def replica_loss(self, output: PretrainingOutput) -> tf.Tensor:
        """This replica's part of L = gen_weight L_MLM + disc_weight L_Disc.

        Sums are divided by the token counts of all replicas, so that the parts, and
        their gradients, add up to those of one device with the whole batch; with
        per_replica_loss by this replica's own.
        """
        config = self.config
        count = (lambda weight: weight) if config.per_replica_loss else _all_reduce
        weight = count(output.generator_weight_sum)
        loss = config.gen_weight * mean(output.generator_loss_sum, weight)
        if output.discriminator is not None:
            weight = count(output.discriminator.weight_sum)
            loss += config.disc_weight * mean(output.discriminator.loss_sum, weight)
        return loss

    def _eval_step_impl(self, batch, index):
        def replica_step(batch):
            inputs, masked, output = self._forward(
                batch, tf.cast(index, tf.int64) + _EVAL_STREAM, training=False
            )
            return metrics.batch_sums(inputs, masked, output)

        sums = self.strategy.run(replica_step, (batch,))
        return {name: self._sum(value) for name, value in sums.items()}

    def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
        """The original's metrics over a dataset; the same masks at every call."""
        total: dict[str, np.ndarray] = {}
        distributed = self.strategy.experimental_distribute_dataset(dataset)
        for index, batch in enumerate(distributed):
            sums = self._eval_step(batch, tf.constant(index))
            for name, value in sums.items():
                total[name] = total.get(name, 0.0) + value.numpy().astype(np.float64)
        config = self.config
        return metrics.finalize(total, config.gen_weight, config.disc_weight)


def _all_reduce(value: Any) -> Any:
    """Adds a tensor, or each of a list of tensors, over the replicas."""

    def reduce(strategy: tf.distribute.Strategy, *tensors: Any) -> tuple:
        pairs = [(tensor, tensor) for tensor in tensors]
        total = tf.distribute.ReduceOp.SUM
        return tuple(strategy.extended.batch_reduce_to(total, pairs))

    tensors = value if isinstance(value, list) else [value]
    context = tf.distribute.get_replica_context()
    reduced = list(context.merge_call(reduce, args=tuple(tensors)))
    return reduced if isinstance(value, list) else reduced[0]


def _read_records(path: str) -> list[dict[str, Any]]:
    """The lines of a metrics file; a last one that a kill cut short is left out."""
    records = []
    for line in files.read_text(path).splitlines() if files.exists(path) else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            logging.warning("%s: dropping a line that was cut short: %s", path, line)
    return records


class MetricsLog:
    """metrics.jsonl and the console. A resumed run drops lines past its checkpoint."""

    def __init__(self, model_dir: str, step: int):
        self._path = os.path.join(model_dir, METRICS_FILE)
        records = [r for r in _read_records(self._path) if r["step"] <= step]
        files.write_text(self._path, "".join(json.dumps(r) + "\n" for r in records))
        self._has_eval_at = {r["step"] for r in records if r["kind"] == "eval"}

    def has_eval(self, step: int) -> bool:
        return step in self._has_eval_at

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        record = {"kind": kind, "step": step, **values}
        with files.open_binary(self._path, "ab") as handle:
            handle.write((json.dumps(record) + "\n").encode("utf-8"))
        shown = " ".join(f"{name} {value:.4g}" for name, value in values.items())
        logging.info("%s step %d: %s", kind, step, shown)


def train(
    trainer: Trainer,
    model_dir: str,
    train_dataset: Any,
    eval_dataset: tf.data.Dataset | None,
    start_step: int,
) -> None:
    """Trains from `start_step` to num_train_steps; evaluates at the start and the end.

    Raises:
      UserError: the loss is no longer finite; the last checkpoint stays.
    """
    config, step = trainer.config, start_step
    log = MetricsLog(model_dir, step)

    def evaluate() -> None:
        if eval_dataset is not None and not log.has_eval(step):
            log.write("eval", step, trainer.evaluate(eval_dataset))

    def save() -> None:
        variables = trainer.checkpoint_variables
        checkpoints.save(model_dir, step, variables, config.keep_checkpoint_max)

    if step == 0:
        evaluate()
    distributed = trainer.strategy.experimental_distribute_dataset(train_dataset)
    iterator = iter(distributed) if step < config.num_train_steps else None
    while step < config.num_train_steps:
        saves_after = config.save_checkpoints_steps
        stop = min(config.num_train_steps, (step // saves_after + 1) * saves_after)
        count = min(config.iterations_per_loop, stop - step)
        begin = time.monotonic()
        sums = trainer.train_steps(iterator, step, count)
        step += count
        values = _summary(config, step, sums, time.monotonic() - begin)
        if not math.isfinite(values["loss"]):
            raise UserError(
                f"the loss is {values['loss']} between steps {step - count} and "
                f"{step}. Checkpoints in {model_dir} are untouched: begin again from "
                "there with a lower learning_rate or a longer warm-up"
            )
        log.write("train", step, values)
        if step == stop:
            save()
    evaluate()


def _summary(
    config: PretrainingConfig, step: int, sums: dict[str, np.ndarray], seconds: float
) -> dict[str, float]:
    values = metrics.finalize(sums, config.gen_weight, config.disc_weight)
    count = float(sums["steps"])
    per_step = seconds / count
    return values | {
        "grad_norm": float(sums["grad_norm"]) / count,
        "clipped_share": float(sums["clipped"]) / count,
        "learning_rate": float(learning_rate(tf.constant(step - 1), config)),
        "steps_per_second": 1.0 / per_step,
        "examples_per_second": config.train_batch_size / per_step,
        "eta_seconds": (config.num_train_steps - step) * per_step,
    }
