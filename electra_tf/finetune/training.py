"""Trains one network on one task: epochs of updates on the devices of a strategy."""

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from common.errors import UserError
from common.progress import Progress
from electra_tf.devices import strategies
from electra_tf.devices.strategies import all_reduce, num_replicas
from electra_tf.finetune import batches as batches_lib
from electra_tf.finetune.batches import Batch, Batches
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.settings import Settings
from electra_tf.model.batch import Inputs
from electra_tf.model.compiled_ops import plain_operations, shape_of
from electra_tf.model.dropout import RandomStream
from electra_tf.optimizer import (
    AdamWeightDecay,
    Schedule,
    layerwise_rates,
    learning_rate,
)
from electra_tf.pretrain.step import step_seeds

_CLIP_NORM = 1.0
# The number, in predictions, of rows that only fill up a batch.
_FILLER = -1
# Steps between two lines of progress.
_STEPS_PER_CALL = 50


class DivergedError(UserError):
    """The network's outputs are no longer finite: this seed is lost, others are not."""


class Finetuner:
    """A model, its optimizer and the compiled steps, on the devices of a strategy."""

    def __init__(
        self,
        make_model: Callable[[], FinetuningModel],
        strategy: tf.distribute.Strategy,
        settings: Settings,
        num_train_steps: int,
        seed: int,
    ):
        self.strategy, self.seed = strategy, seed
        with strategy.scope():
            self.model = make_model()
            variables = self.model.named_variables
            rates = layerwise_rates(
                variables,
                self.model.config.num_hidden_layers,
                settings.layerwise_lr_decay,
                settings.double_top_decay,
            )
            weight_decay = settings.weight_decay_rate
            self.optimizer = AdamWeightDecay(variables, weight_decay, rates)
        warmup = math.ceil(settings.warmup_proportion * num_train_steps)
        self.schedule = Schedule(settings.learning_rate, num_train_steps, warmup)

    def train_epoch(self, batches: Batches, epoch: int) -> float:
        """One pass over the rows; returns the mean loss of a row.

        Args:
          epoch: from 0.

        Raises:
          DivergedError: the loss is not finite.
        """
        first, total = epoch * batches.num_batches, 0.0
        iterator = self._iterator(batches, lambda: batches.shuffled(self.seed, epoch))
        with Progress(f"epoch {epoch + 1}", batches.num_batches, "steps") as progress:
            for done in range(0, batches.num_batches, _STEPS_PER_CALL):
                count = min(_STEPS_PER_CALL, batches.num_batches - done)
                step = tf.constant(first + done, tf.int64)
                total += float(self._train_steps(iterator, step, tf.constant(count)))
                if not math.isfinite(total):
                    raise DivergedError(
                        f"the loss of epoch {epoch + 1} is not finite by step "
                        f"{done + count}: lower --learning_rate, or raise "
                        "--warmup_proportion"
                    )
                progress.update(count)
        return total / batches.num_rows

    def weights(self) -> dict[str, np.ndarray]:
        """The variables' current values, by name."""
        return {n: v.numpy() for n, v in self.model.named_variables.items()}

    def assign(self, weights: dict[str, np.ndarray]) -> None:
        for name, variable in self.model.named_variables.items():
            variable.assign(weights[name])

    def predict(self, batches: Batches, title: str = "predicting") -> list[np.ndarray]:
        """The logits of each row: [N] for choices, [C], or [L, C] with padding.

        Raises:
          DivergedError: they are not finite.
        """
        by_row: list[np.ndarray] = [np.empty(0)] * batches.num_rows
        if not by_row:  # the first row gives the shape of a batch
            return by_row
        with Progress(title, batches.num_rows, "rows") as progress:
            for batch in self._iterator(batches, batches.in_order):
                rows, logits = (
                    self.strategy.experimental_local_results(value)[0].numpy()
                    for value in self._predict_step(batch)
                )
                if not np.isfinite(logits).all():
                    raise DivergedError(
                        "the network's outputs are not finite: training diverged; "
                        "lower --learning_rate"
                    )
                for row, value in zip(rows, logits, strict=True):
                    if row != _FILLER:
                        by_row[row] = value
                progress.update(int((rows != _FILLER).sum()))
        return by_row

    def _iterator(
        self, batches: Batches, read: Callable[[], Iterator[Batch]]
    ) -> Iterator:
        def host_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return batches_lib.dataset(batches, read, context)

        return iter(strategies.distribute(self.strategy, host_batches))

    @tf.function(reduce_retracing=True)
    def _train_steps(self, iterator, first_step: tf.Tensor, count: tf.Tensor):
        total, done = tf.zeros([]), tf.constant(0)
        while done < count:
            step = first_step + tf.cast(done, tf.int64)
            losses = self.strategy.run(self._update, (next(iterator), step))
            total += self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)
            done += 1
        return total

    @tf.autograph.experimental.do_not_convert
    def _update(self, batch: dict[str, tf.Tensor], step: tf.Tensor) -> tf.Tensor:
        """One update from this replica's rows; returns the sum of their losses.

        AutoGraph is off, as in `ReplicaStep`.
        """
        weight = batch["row_weight"]
        (rows,) = all_reduce([tf.reduce_sum(weight)])
        inputs, variables = _inputs(batch), list(self.model.named_variables.values())
        random = RandomStream(step_seeds(self.seed, step).dropout)
        with _operations(inputs), tf.GradientTape() as tape:
            logits = self.model(inputs, random)
            losses = self.model.losses(logits, batch["targets"], inputs.input_mask)
            total = tf.reduce_sum(weight * losses)
            loss = total / rows
            gradients = tape.gradient(loss, variables)
        gradients = all_reduce([tf.convert_to_tensor(g) for g in gradients])
        gradients, _ = tf.clip_by_global_norm(gradients, _CLIP_NORM)
        self.optimizer.apply(gradients, learning_rate(step, self.schedule))
        return total

    @tf.function(reduce_retracing=True, autograph=False)
    def _predict_step(self, batch):
        return self.strategy.run(self._predict, (batch,))

    def _predict(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The number and logits of every row of the batch, from all replicas."""
        inputs = _inputs(batch)
        with _operations(inputs):
            logits = self.model(inputs)
        if batch["input_ids"].shape.rank == 3:  # choices
            logits = tf.reshape(logits, tf.shape(batch["input_ids"])[:2])
        rows = tf.where(batch["row_weight"] > 0, batch["row"], _FILLER)
        if num_replicas() == 1:
            return rows, logits
        gather = tf.distribute.get_replica_context().all_gather
        return gather(rows, axis=0), gather(logits, axis=0)


def _operations(inputs: Inputs) -> contextlib.AbstractContextManager:
    """Plain operations where lengths vary, as XLA would compile for each length.

    They are as fast for the small networks one fine-tunes on a CPU (222 rows/s against
    213 compiled).
    """
    is_static = inputs.input_ids.shape[-1] is not None
    return contextlib.nullcontext() if is_static else plain_operations()


def _inputs(batch: dict[str, tf.Tensor]) -> Inputs:
    """The network's inputs; choices become rows, one after the other."""
    values = (batch[name] for name in Inputs._fields)
    return Inputs(*(tf.reshape(x, [-1, shape_of(x)[-1]]) for x in values))
