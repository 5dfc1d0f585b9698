"""One training step as each replica computes it: mask, objective, gradients, update.

B rows of this replica, L sequence length, A gradient_accumulation_steps.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from electra_tf.config import PretrainingConfig
from electra_tf.devices.strategies import all_reduce, num_replicas
from electra_tf.model.batch import Inputs
from electra_tf.model.dropout import RandomStream
from electra_tf.optimizer import AdamWeightDecay, learning_rate
from electra_tf.pretrain import masking, metrics, objective
from electra_tf.pretrain.masking import Masked
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.pretrain.objective import Denominators

_CLIP_NORM = 1.0
_TRAINING_SCALARS = ("steps", "grad_norm", "clipped")


class Seeds(NamedTuple):
    """int32 [2] each."""

    mask: tf.Tensor
    sample: tf.Tensor
    dropout: tf.Tensor


def step_seeds(seed: int, step: tf.Tensor) -> Seeds:
    """Keyed by (seed, step, replica)."""
    base = tf.random.fold_in(tf.constant([seed, 0]), tf.cast(step, tf.int32))
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    base = tf.random.fold_in(base, tf.cast(replica, tf.int32))
    return Seeds(*tf.unstack(tf.random.split(base, 3)))


def zero_sums(config: PretrainingConfig) -> metrics.Sums:
    """The initial value of sums over many steps."""
    scalars = {name: tf.zeros([]) for name in _TRAINING_SCALARS}
    return metrics.zero_sums(config.has_discriminator) | scalars


class ReplicaStep:
    """Updates a model, or evaluates it; call it in a replica.

    AutoGraph is off: converting every call took most of the tracing time.
    """

    def __init__(
        self,
        config: PretrainingConfig,
        model: PretrainingModel,
        optimizer: AdamWeightDecay,
        is_continuation: np.ndarray | None = None,
    ):
        """is_continuation: bool [V], needed for whole_word_mask."""
        self._config, self._model, self._optimizer = config, model, optimizer
        self._is_continuation = is_continuation

    @tf.autograph.experimental.do_not_convert
    def __call__(self, batch: dict[str, tf.Tensor], step: tf.Tensor) -> metrics.Sums:
        """One update from this replica's rows {feature: int32 [B, L]}.

        Returns:
          Metrics that add up over replicas and steps.
        """
        gradients, sums = self.gradients(*self._masked(batch, step))
        norm = self.apply_gradients(gradients, learning_rate(step, self._config))
        share = 1.0 / num_replicas()
        return sums | {
            "steps": tf.constant(share),
            "grad_norm": norm * share,
            "clipped": tf.cast(norm > _CLIP_NORM, tf.float32) * share,
        }

    def evaluate(self, batch: dict[str, tf.Tensor], step: tf.Tensor) -> metrics.Sums:
        """The metrics of this replica's rows, without dropout or update."""
        inputs, masked, seeds = self._masked(batch, step)
        output = objective.forward(self._model, inputs, masked, seeds.sample)
        return metrics.batch_sums(inputs, masked, output)

    def _masked(
        self, batch: dict[str, tf.Tensor], step: tf.Tensor
    ) -> tuple[Inputs, Masked, Seeds]:
        inputs, seeds = Inputs(**batch), step_seeds(self._config.seed, step)
        given = self._config, seeds.mask, self._is_continuation
        return inputs, masking.mask(inputs, *given), seeds

    def gradients(
        self, inputs: Inputs, masked: Masked, seeds: Seeds
    ) -> tuple[list[tf.Tensor], metrics.Sums]:
        """This replica's part of the whole batch's gradient, and its metrics.

        The rows are split into A pieces. Masks do not depend on the model, so the
        whole batch's denominators are known before the first piece, and the pieces'
        gradients add up to those of one pass.
        """
        pieces = self._config.gradient_accumulation_steps
        denominators = self.denominators(inputs, masked)
        if pieces == 1:
            return self._piece(inputs, masked, seeds, denominators)
        split = tf.nest.map_structure(
            lambda x: tf.reshape(x, [pieces, x.shape[0] // pieces, *x.shape[1:]]),
            (inputs, masked),
        )

        def add(i, gradients, sums):
            part = tf.nest.map_structure(lambda x: x[i], split)
            own = Seeds(*(tf.random.fold_in(seed, i) for seed in seeds))
            more, more_sums = self._piece(*part, own, denominators)
            gradients = [a + b for a, b in zip(gradients, more, strict=True)]
            return i + 1, gradients, {n: sums[n] + more_sums[n] for n in sums}

        variables = self._model.named_variables.values()
        begin = [tf.zeros(variable.shape) for variable in variables]
        sums = metrics.zero_sums(self._config.has_discriminator)
        # In sequence, so that only one piece's activations are in memory.
        _, gradients, sums = tf.while_loop(
            lambda i, *_: i < pieces, add, (0, begin, sums), parallel_iterations=1
        )
        return gradients, sums

    def _piece(
        self, inputs: Inputs, masked: Masked, seeds: Seeds, denominators: Denominators
    ) -> tuple[list[tf.Tensor], metrics.Sums]:
        model, random = self._model, RandomStream(seeds.dropout)
        with tf.GradientTape() as tape:
            output = objective.forward(model, inputs, masked, seeds.sample, random)
            loss = objective.loss(output, denominators, self._config)
        gradients = tape.gradient(loss, list(model.named_variables.values()))
        # The slices of an embedding's gradient are summed before the norm is taken, as
        # the original does on TPU.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        return gradients, metrics.batch_sums(inputs, masked, output)

    def denominators(self, inputs: Inputs, masked: Masked) -> Denominators:
        """Added over all replicas; with per_replica_loss this one's own.

        Divided by them, the replicas' losses, and their gradients, add up to those of
        one device with the whole batch.
        """
        own = objective.denominators(inputs, masked, self._config)
        return own if self._config.per_replica_loss else Denominators(*all_reduce(own))

    def apply_gradients(self, gradients: list[tf.Tensor], lr: tf.Tensor) -> tf.Tensor:
        """Adds up the replicas' gradients, clips them, updates; returns their norm."""
        if self._config.per_replica_loss:
            gradients, norm = tf.clip_by_global_norm(gradients, _CLIP_NORM)
            share = 1.0 / num_replicas()
            gradients = all_reduce([gradient * share for gradient in gradients])
        else:
            gradients = all_reduce(gradients)
            gradients, norm = tf.clip_by_global_norm(gradients, _CLIP_NORM)
        self._optimizer.apply(list(map(tf.convert_to_tensor, gradients)), lr)
        return norm
