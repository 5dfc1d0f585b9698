"""One training step as each replica computes it: draws, gradients, the update.

B rows of this replica, L sequence length, A gradient_accumulation_steps.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from electra_tf.config import PretrainingConfig
from electra_tf.devices.in_replica import all_reduce, num_replicas
from electra_tf.model.dropout import RandomStream
from electra_tf.optimizer import AdamWeightDecay, learning_rate
from electra_tf.pretrain import masking, metrics
from electra_tf.pretrain.masking import Inputs, Masked
from electra_tf.pretrain.model import PretrainingModel, PretrainingOutput, mean

_CLIP_NORM = 1.0
_TRAINING_SCALARS = ("steps", "grad_norm", "clipped")


class Seeds(NamedTuple):
    """int32 [2] each."""

    mask: tf.Tensor
    sample: tf.Tensor
    dropout: tf.Tensor


class LossWeights(NamedTuple):
    """By what the sums of the two losses are divided, float32 []."""

    generator: tf.Tensor
    discriminator: tf.Tensor


def step_seeds(seed: int, step: tf.Tensor) -> Seeds:
    """Keyed by (seed, step, replica)."""
    base = tf.random.fold_in(tf.constant([seed, 0]), tf.cast(step, tf.int32))
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    base = tf.random.fold_in(base, tf.cast(replica, tf.int32))
    return Seeds(*tf.unstack(tf.random.split(base, 3)))


def zero_sums(config: PretrainingConfig) -> metrics.Sums:
    """Where the sums over many steps begin."""
    scalars = {name: tf.zeros([]) for name in _TRAINING_SCALARS}
    return metrics.zero_sums(config.has_discriminator) | scalars


class TrainStep:
    """What one step does to a model and its optimizer; call it in a replica.

    Nothing in it is AutoGraph's: going through every call for control flow to convert
    took most of a trace's time.
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
        config = self._config
        inputs = Inputs(**batch)
        seeds = step_seeds(config.seed, step)
        masked = self._mask(inputs, seeds)
        gradients, sums = self.gradients(inputs, masked, seeds)
        norm = self.apply_gradients(gradients, learning_rate(step, config))
        share = 1.0 / num_replicas()
        return sums | {
            "steps": tf.constant(share),
            "grad_norm": norm * share,
            "clipped": tf.cast(norm > _CLIP_NORM, tf.float32) * share,
        }

    def evaluate(self, batch: dict[str, tf.Tensor], step: tf.Tensor) -> metrics.Sums:
        """The metrics of this replica's rows, without dropout and update."""
        inputs = Inputs(**batch)
        seeds = step_seeds(self._config.seed, step)
        masked = self._mask(inputs, seeds)
        output = self._forward(inputs, masked, seeds, None)
        return metrics.batch_sums(inputs, masked, output)

    def _mask(self, inputs: Inputs, seeds: Seeds) -> Masked:
        return masking.mask(inputs, self._config, seeds.mask, self._is_continuation)

    def _forward(
        self, inputs: Inputs, masked: Masked, seeds: Seeds, random: RandomStream | None
    ) -> PretrainingOutput:
        return self._model(
            inputs,
            masked,
            lambda logits: masking.sample(logits, masked, self._config, seeds.sample),
            random,
        )

    def gradients(
        self, inputs: Inputs, masked: Masked, seeds: Seeds
    ) -> tuple[list[tf.Tensor], metrics.Sums]:
        """This replica's part of the whole batch's gradient, and its metrics.

        The rows are gone through in A pieces. What was masked does not depend on the
        model, so the whole batch's token counts are known before the first piece, and
        the pieces' gradients add up to those of one pass.
        """
        pieces = self._config.gradient_accumulation_steps
        weights = self.loss_weights(inputs, masked)
        if pieces == 1:
            return self._piece(inputs, masked, seeds, weights)
        split = tf.nest.map_structure(
            lambda x: tf.reshape(x, [pieces, x.shape[0] // pieces, *x.shape[1:]]),
            (inputs, masked),
        )

        def add(i, gradients, sums):
            part = tf.nest.map_structure(lambda x: x[i], split)
            own = Seeds(*(tf.random.fold_in(seed, i) for seed in seeds))
            more, more_sums = self._piece(*part, own, weights)
            gradients = [a + b for a, b in zip(gradients, more, strict=True)]
            return i + 1, gradients, {n: sums[n] + more_sums[n] for n in sums}

        variables = self._model.named_variables.values()
        begin = [tf.zeros(variable.shape) for variable in variables]
        sums = metrics.zero_sums(self._config.has_discriminator)
        # One after the other, so that one piece's activations are held at a time.
        _, gradients, sums = tf.while_loop(
            lambda i, *_: i < pieces, add, (0, begin, sums), parallel_iterations=1
        )
        return gradients, sums

    def _piece(
        self, inputs: Inputs, masked: Masked, seeds: Seeds, weights: LossWeights
    ) -> tuple[list[tf.Tensor], metrics.Sums]:
        variables = list(self._model.named_variables.values())
        with tf.GradientTape() as tape:
            random = RandomStream(seeds.dropout)
            output = self._forward(inputs, masked, seeds, random)
            loss = self.replica_loss(output, weights)
        # The slices of an embedding's gradient are summed before the norm is taken, as
        # the original does on TPU.
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
        return gradients, metrics.batch_sums(inputs, masked, output)

    def loss_weights(self, inputs: Inputs, masked: Masked) -> LossWeights:
        """Token counts of all replicas; with per_replica_loss this one's own.

        Dividing by them, the parts of the loss, and their gradients, add up to those of
        one device with the whole batch.
        """
        slots = masked.masked_lm_weights
        if self._config.electric_objective:
            slots = tf.cast(masking.candidates(inputs), tf.float32)
        tokens = tf.cast(inputs.input_mask > 0, tf.float32)
        own = LossWeights(tf.reduce_sum(slots), tf.reduce_sum(tokens))
        return own if self._config.per_replica_loss else LossWeights(*all_reduce(own))

    def replica_loss(
        self, output: PretrainingOutput, weights: LossWeights
    ) -> tf.Tensor:
        """This replica's part of L = gen_weight L_MLM + disc_weight L_Disc."""
        config = self._config
        loss = config.gen_weight * mean(output.generator_loss_sum, weights.generator)
        if output.discriminator is not None:
            loss_sum = output.discriminator.loss_sum
            loss += config.disc_weight * mean(loss_sum, weights.discriminator)
        return loss

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
