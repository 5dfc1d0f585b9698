"""Generator, discriminator and their losses: one step without its randomness.

B batch, L sequence length, P masked slots a row, V vocabulary, H hidden, E embedding
size."""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.model.compiled_ops import cross_entropy
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Embeddings, Encoder
from electra_tf.model.layers import Dense, Initializer, gelu
from electra_tf.pretrain import masking
from electra_tf.pretrain.generators import (
    MaskedLMGenerator,
    MaskedLMOutput,
    TokenHead,
    Tower,
    TwoTowerGenerator,
    UniformGenerator,
    View,
    view_of_documents,
    view_of_row,
)
from electra_tf.pretrain.masking import Corrupted, Inputs, Masked

_EPSILON = 1e-6
_TOWERS = ("ltr", "rtl")

# logits [B, P, V] -> sampled ids int32 [B, P]
Sampler = Callable[[tf.Tensor], tf.Tensor]


class DiscriminatorOutput(NamedTuple):
    """The discriminator's answers at every position."""

    logits: tf.Tensor  # float32 [B, L]; above 0 means replaced
    losses: tf.Tensor  # float32 [B, L], 0 at padding
    loss_sum: tf.Tensor  # float32 [], to be divided by (weight_sum + 1e-6)
    weight_sum: tf.Tensor  # float32 []


class PretrainingOutput(NamedTuple):
    """Everything one forward pass knows; `discriminator` is None for masked LM only."""

    mlm: MaskedLMOutput
    generator_loss_sum: tf.Tensor
    generator_weight_sum: tf.Tensor
    sampled_ids: tf.Tensor  # int32 [B, P]
    corrupted: Corrupted
    discriminator: DiscriminatorOutput | None


class ReplacedTokenHead(tf.Module):
    """Hidden states -> one logit per token: above 0 means replaced."""

    def __init__(self, config: TransformerConfig, init: Initializer):
        super().__init__()
        scope = "discriminator_predictions"
        self.dense = Dense(
            f"{scope}/dense", config.hidden_size, config.hidden_size, init
        )
        self.dense_1 = Dense(
            f"{scope}/dense_1", config.hidden_size, 1, init, glorot=True
        )

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        """[B, L, H] -> float32 [B, L]."""
        logits = self.dense_1(gelu(self.dense(hidden)))
        return tf.cast(tf.squeeze(logits, -1), tf.float32)


def noise_log_odds(
    cloze_logits: tf.Tensor, input_ids: tf.Tensor, mask_prob: float
) -> tf.Tensor:
    """log q(x_i | context) + log(mask_prob / (1 - mask_prob)), without gradient.

    Added to Electric's discriminator logit, it makes that logit an energy: the noise
    contrastive estimation of section 3.

    Args:
      cloze_logits: float32 [B, L, V].
      input_ids: int32 [B, L], the corrupted ones.

    Returns:
      float32 [B, L].
    """
    log_q = -cross_entropy(cloze_logits, input_ids)
    return tf.stop_gradient(log_q) + math.log(mask_prob / (1.0 - mask_prob))


def discriminator_output(
    logits: tf.Tensor, is_fake_tokens: tf.Tensor, input_mask: tf.Tensor
) -> DiscriminatorOutput:
    """L_Disc: sigmoid cross-entropy, real against replaced, over real positions."""
    weights = tf.cast(input_mask > 0, tf.float32)
    losses = weights * tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.cast(is_fake_tokens, tf.float32), logits=logits
    )
    return DiscriminatorOutput(
        logits, losses, tf.reduce_sum(losses), tf.reduce_sum(weights)
    )


def mean(total: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The original's weighted mean."""
    return total / (weight + _EPSILON)


class PretrainingModel(tf.Module):
    """The networks of one configuration, with variables under the original's names."""

    def __init__(self, config: PretrainingConfig):
        super().__init__()
        self.config = config
        full = config.discriminator()
        init = Initializer(full.initializer_range, config.seed)
        size = config.resolved_embedding_size
        self.embeddings = Embeddings("electra", full, size, init, self._compute_dtype)
        self.encoder = self._build_encoder("electra", full, size, init)
        self.generator = self._build_generator(init)
        self.discriminator_head = (
            ReplacedTokenHead(full, init) if config.has_discriminator else None
        )

    def _build_encoder(
        self, scope: str, config: TransformerConfig, in_size: int, init: Initializer
    ) -> Encoder:
        checkpointing = self.config.gradient_checkpointing
        return Encoder(scope, config, in_size, init, checkpointing)

    def _build_generator(self, init: Initializer) -> tf.Module:
        config, head = self.config, "generator_predictions"
        full = config.discriminator()
        if config.uniform_generator:
            return UniformGenerator(full.vocab_size)
        if not config.uses_small_generator:
            token_head = TokenHead(head, full.hidden_size, self.embeddings, init)
            return MaskedLMGenerator(self.embeddings, self.encoder, token_head)
        hidden_size = config.generator().hidden_size
        if config.electric_objective:
            left, right = (self._build_tower(f"generator_{d}", init) for d in _TOWERS)
            token_head = TokenHead(
                "cloze_predictions", 2 * hidden_size, left.embeddings, init
            )
            return TwoTowerGenerator(left, right, token_head)
        tower = self._build_tower("generator", init)
        token_head = TokenHead(head, hidden_size, tower.embeddings, init)
        return MaskedLMGenerator(tower.embeddings, tower.encoder, token_head)

    def _build_tower(self, scope: str, init: Initializer) -> Tower:
        """A small encoder, on the discriminator's embeddings or its own."""
        small = self.config.generator()
        embeddings, size = self.embeddings, self.config.resolved_embedding_size
        if self.config.untied_generator_embeddings:
            size = small.hidden_size
            embeddings = Embeddings(scope, small, size, init, self._compute_dtype)
        return Tower(embeddings, self._build_encoder(scope, small, size, init))

    @property
    def _compute_dtype(self) -> tf.DType:
        """float32 unless the config says otherwise; "auto" is the trainer's matter."""
        is_bfloat16 = self.config.compute_dtype == "bfloat16"
        return tf.bfloat16 if is_bfloat16 else tf.float32

    @property
    def named_variables(self) -> dict[str, tf.Variable]:
        """Variables by the names of the original's checkpoints."""
        return {variable.name.split(":")[0]: variable for variable in self.variables}

    def _view(self, input_mask: tf.Tensor) -> View:
        view = view_of_documents if self.config.pack_documents else view_of_row
        return view(input_mask)

    def hidden_states(
        self,
        input_ids: tf.Tensor,
        input_mask: tf.Tensor,
        segment_ids: tf.Tensor,
        random: RandomStream | None = None,
    ) -> tf.Tensor:
        """int32 [B, L] three times -> [B, L, H], of the encoder called `electra`."""
        view = self._view(input_mask)
        embedded = self.embeddings(input_ids, segment_ids, random, view.position_ids)
        return self.encoder(embedded, view.attention_mask, random)

    def discriminator_logits(
        self,
        input_ids: tf.Tensor,
        input_mask: tf.Tensor,
        segment_ids: tf.Tensor,
        random: RandomStream | None = None,
    ) -> tf.Tensor:
        """int32 [B, L] three times -> float32 [B, L]."""
        hidden = self.hidden_states(input_ids, input_mask, segment_ids, random)
        return self.discriminator_head(hidden)

    def generator_logits(
        self, input_ids: tf.Tensor, input_mask: tf.Tensor, segment_ids: tf.Tensor
    ) -> tf.Tensor:
        """int32 [B, L] three times -> float32 [B, L, V], at every position."""
        view = self._view(input_mask)
        hidden = self.generator.hidden(input_ids, segment_ids, view, None)
        return self.generator.head(hidden)

    def __call__(
        self,
        inputs: Inputs,
        masked: Masked,
        sample: Sampler,
        random: RandomStream | None,
    ) -> PretrainingOutput:
        """Both networks on one batch.

        Args:
          masked: what was drawn, from `masking.mask` or a recording.
          sample: gives the tokens that replace the drawn ones.
          random: for dropout; None for evaluation.
        """
        view = self._view(inputs.input_mask)
        generated = self.generator(inputs, masked, view, random)
        sampled_ids = sample(generated.mlm.logits)
        corrupted = masking.corrupt(inputs, masked, sampled_ids, self.config)
        discriminator = None
        if self.discriminator_head is not None:
            logits = self.discriminator_logits(
                corrupted.input_ids, inputs.input_mask, inputs.segment_ids, random
            )
            if generated.cloze_logits is not None:
                logits += noise_log_odds(
                    generated.cloze_logits, corrupted.input_ids, self.config.mask_prob
                )
            discriminator = discriminator_output(
                logits, corrupted.is_fake_tokens, inputs.input_mask
            )
        return PretrainingOutput(
            generated.mlm,
            generated.loss_sum,
            generated.weight_sum,
            sampled_ids,
            corrupted,
            discriminator,
        )
