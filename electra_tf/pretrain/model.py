"""The networks of a run: a generator, and an encoder with the discriminator's head.

B batch, L sequence length, V vocabulary, H hidden size.
"""

import tensorflow as tf

from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.model.batch import Inputs, View, view_of_documents, view_of_row
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Embeddings, Encoder
from electra_tf.model.layers import Dense, Initializer, gelu
from electra_tf.pretrain.generators import (
    MaskedLMGenerator,
    TwoTowerGenerator,
    UniformGenerator,
    VocabularyHead,
)


class ReplacedTokenHead(tf.Module):
    """Hidden states -> one logit per token: above 0 means replaced."""

    def __init__(self, config: TransformerConfig, init: Initializer):
        super().__init__()
        scope, size = "discriminator_predictions", config.hidden_size
        self.dense = Dense(f"{scope}/dense", size, size, init)
        self.dense_1 = Dense(f"{scope}/dense_1", size, 1, init, glorot=True)

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        """[B, L, H] -> float32 [B, L]."""
        logits = self.dense_1(gelu(self.dense(hidden)))
        return tf.cast(tf.squeeze(logits, -1), tf.float32)


class PretrainingModel(tf.Module):
    """The networks of one configuration, with variables under the original's names.

    `electra` is the discriminator's encoder; a masked LM alone has no other.
    """

    def __init__(self, config: PretrainingConfig):
        super().__init__()
        self.config = config
        full, size = config.discriminator(), config.resolved_embedding_size
        self._init = init = Initializer(full.initializer_range, config.seed)
        embeddings = Embeddings("electra", full, size, init, self._compute_dtype)
        self.electra = self._encoder("electra", full, embeddings)
        self.generator = self._build_generator()
        self.discriminator_head = (
            ReplacedTokenHead(full, init) if config.has_discriminator else None
        )

    def _encoder(
        self, scope: str, network: TransformerConfig, embeddings: Embeddings
    ) -> Encoder:
        checkpointing = self.config.gradient_checkpointing
        return Encoder(scope, network, embeddings, self._init, checkpointing)

    def _build_generator(self) -> tf.Module:
        config, init = self.config, self._init
        if config.uniform_generator:
            return UniformGenerator(config.discriminator().vocab_size)
        if config.electric_objective:
            towers = [self._small(f"generator_{side}") for side in ("ltr", "rtl")]
            in_size, table = 2 * config.generator().hidden_size, towers[0].embeddings
            head = VocabularyHead("cloze_predictions", in_size, table, init)
            return TwoTowerGenerator(*towers, head)
        encoder, network = self.electra, config.discriminator()
        if config.uses_small_generator:
            encoder, network = self._small("generator"), config.generator()
        head = VocabularyHead(
            "generator_predictions", network.hidden_size, encoder.embeddings, init
        )
        return MaskedLMGenerator(encoder, head)

    def _small(self, scope: str) -> Encoder:
        """The generator's encoder, on the discriminator's embeddings or its own."""
        small, embeddings = self.config.generator(), self.electra.embeddings
        if self.config.untied_generator_embeddings:
            size, dtype = self.config.generator_embedding_size, self._compute_dtype
            embeddings = Embeddings(scope, small, size, self._init, dtype)
        return self._encoder(scope, small, embeddings)

    @property
    def _compute_dtype(self) -> tf.DType:
        """float32 unless the config names bfloat16; the trainer resolves "auto"."""
        is_bfloat16 = self.config.compute_dtype == "bfloat16"
        return tf.bfloat16 if is_bfloat16 else tf.float32

    @property
    def named_variables(self) -> dict[str, tf.Variable]:
        """Variables by the names of the original's checkpoints."""
        return {variable.name.split(":")[0]: variable for variable in self.variables}

    def view(self, input_mask: tf.Tensor) -> View:
        """What each position of int32 [B, L] sees."""
        view = view_of_documents if self.config.pack_documents else view_of_row
        return view(input_mask)

    def discriminate(
        self, inputs: Inputs, view: View, random: RandomStream | None = None
    ) -> tf.Tensor:
        """-> float32 [B, L]."""
        return self.discriminator_head(self.electra(inputs, view, random))

    # The three below read whole records, without dropout.

    def hidden_states(self, inputs: Inputs) -> tf.Tensor:
        """[B, L, H], of `electra`."""
        return self.electra(inputs, self.view(inputs.input_mask))

    def discriminator_logits(self, inputs: Inputs) -> tf.Tensor:
        """float32 [B, L]."""
        return self.discriminate(inputs, self.view(inputs.input_mask))

    def generator_logits(self, inputs: Inputs) -> tf.Tensor:
        """float32 [B, L, V], at every position."""
        hidden = self.generator.encoder(inputs, self.view(inputs.input_mask))
        return self.generator.head(hidden)
