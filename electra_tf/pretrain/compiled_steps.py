"""Trains a model on the devices of a strategy, many steps per call."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.devices.strategies import HostBatches
from electra_tf.optimizer import AdamWeightDecay
from electra_tf.pretrain import metrics
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.pretrain.step import ReplicaStep, zero_sums

# Evaluation uses its own random stream, the same every time.
_EVAL_STREAM = 2**31 - 1


class Interval(NamedTuple):
    """The results of consecutive steps."""

    steps: int
    seconds: float
    sums: dict[str, np.ndarray]  # metrics of all replicas, to be finalized
    input_wait_seconds: float  # between the end of a step and the next one's batch
    finite: bool  # False: losses or gradients of the last step are not


class Trainer:
    """A model, its optimizer and the compiled steps, on the devices of a strategy."""

    def __init__(
        self,
        config: PretrainingConfig,
        strategy: tf.distribute.Strategy,
        is_continuation: np.ndarray | None = None,
    ):
        """is_continuation: bool [V], needed for whole_word_mask."""
        self.config, self.strategy = config, strategy
        with strategy.scope():
            self.model = PretrainingModel(config)
            self.optimizer = AdamWeightDecay(
                self.model.named_variables, config.weight_decay_rate
            )
        self.replica_step = ReplicaStep(
            config, self.model, self.optimizer, is_continuation
        )

    @property
    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        return self.model.named_variables | self.optimizer.named_slots

    def train_steps(self, iterator: Iterator, first_step: int, count: int) -> Interval:
        """Up to `count` updates in one call: it stops at a step that is not finite.

        Args:
          iterator: over distributed batches, beginning with that of `first_step`.
        """
        begin = time.monotonic()
        steps, sums, waited, finite = self._train_steps(
            iterator, tf.constant(first_step, tf.int64), tf.constant(count)
        )
        sums = {name: value.numpy() for name, value in sums.items()}
        seconds = time.monotonic() - begin
        return Interval(int(steps), seconds, sums, float(waited), bool(finite))

    @tf.function
    def _train_steps(self, iterator, first_step, count):
        sums = zero_sums(self.config)
        steps, waited, finite = tf.constant(0), tf.zeros([], tf.float64), True
        while steps < count and finite:
            # The clock starts when the previous step has ended: otherwise its
            # computation would count as waiting.
            with tf.control_dependencies(list(sums.values())):
                begin = tf.timestamp()
            with tf.control_dependencies([begin]):
                batch = next(iterator)
            arrived = tf.nest.map_structure(
                self.strategy.experimental_local_results, batch
            )
            with tf.control_dependencies(tf.nest.flatten(arrived)):
                waited += tf.timestamp() - begin
            # And it stops before this step starts: a single thread might otherwise
            # read the clock after the step.
            with tf.control_dependencies([waited]):
                step = first_step + tf.cast(steps, tf.int64)
            more = self.strategy.run(self.replica_step, (batch, step))
            sums = {name: sums[name] + self._sum(more[name]) for name in sums}
            finite = tf.math.is_finite(sums["grad_norm"] + sums["mlm_loss"])
            if self.config.has_discriminator:
                finite &= tf.math.is_finite(sums["disc_loss"])
            steps += 1
        return steps, sums, waited, finite

    def _sum(self, per_replica: Any) -> tf.Tensor:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)

    @tf.function(autograph=False)
    def _eval_step(self, batch, index):
        step = tf.cast(index, tf.int64) + _EVAL_STREAM
        sums = self.strategy.run(self.replica_step.evaluate, (batch, step))
        return {name: self._sum(value) for name, value in sums.items()}

    def evaluate(self, batches: HostBatches) -> dict[str, float]:
        """The original's metrics over some batches, with the same masks every time."""
        total: dict[str, np.ndarray] = {}
        for index, batch in enumerate(strategies.distribute(self.strategy, batches)):
            sums = self._eval_step(batch, tf.constant(index))
            for name, value in sums.items():
                total[name] = total.get(name, 0.0) + value.numpy().astype(np.float64)
        config = self.config
        return metrics.finalize(total, config.gen_weight, config.disc_weight)
