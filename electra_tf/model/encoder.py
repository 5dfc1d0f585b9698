"""The transformer encoder, with variables named as in the original's checkpoints.

Dimension letters: B batch, L sequence length, H hidden size, E embedding size,
V vocabulary, N attention heads, D head size; F and T are L, from and to.
"""

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.model.attention import SelfAttention
from electra_tf.model.batch import Inputs, View
from electra_tf.model.compiled_ops import shape_of
from electra_tf.model.dropout import RandomStream, dropout
from electra_tf.model.gradient_checkpointing import checkpointed
from electra_tf.model.layers import Dense, Initializer, LayerNorm, gelu


class Embeddings(tf.Module):
    """Word + token type + position embeddings, normalised, with dropout.

    The networks compute in the dtype of its output; parameters, the softmax and the
    statistics of layer norm are always float32.
    """

    def __init__(
        self,
        scope: str,
        config: TransformerConfig,
        size: int,
        init: Initializer,
        compute_dtype: tf.DType = tf.float32,
    ):
        super().__init__()
        scope += "/embeddings"
        self._compute_dtype = compute_dtype
        self._dropout = config.hidden_dropout_prob
        self.word = init.normal(f"{scope}/word_embeddings", [config.vocab_size, size])
        self.token_type = init.normal(
            f"{scope}/token_type_embeddings", [config.type_vocab_size, size]
        )
        self.position = init.normal(
            f"{scope}/position_embeddings", [config.max_position_embeddings, size]
        )
        self.layer_norm = LayerNorm(scope, size, init)

    def __call__(
        self, inputs: Inputs, view: View, random: RandomStream | None
    ) -> tf.Tensor:
        """-> [B, L, E]."""
        # One-hot for the token types: a gather's gradient would be unsummed slices.
        types = tf.one_hot(inputs.segment_ids, self.token_type.shape[0])
        x = tf.gather(self.word, inputs.input_ids) + types @ self.token_type
        if view.position_ids is None:
            x += self.position[: shape_of(inputs.input_ids)[1]]
        else:
            x += tf.gather(self.position, view.position_ids)
        x = tf.cast(self.layer_norm(x), self._compute_dtype)
        return dropout(x, self._dropout, random)


class Layer(tf.Module):
    """Attention and feed-forward, each with dropout, residual and normalisation."""

    def __init__(self, scope: str, config: TransformerConfig, init: Initializer):
        super().__init__()
        size, inner = config.hidden_size, config.intermediate_size
        self._dropout = config.hidden_dropout_prob
        self.attention = SelfAttention(f"{scope}/attention/self", config, init)
        self.attention_output = Dense(
            f"{scope}/attention/output/dense", size, size, init
        )
        self.attention_norm = LayerNorm(f"{scope}/attention/output", size, init)
        self.intermediate = Dense(f"{scope}/intermediate/dense", size, inner, init)
        self.output = Dense(f"{scope}/output/dense", inner, size, init)
        self.output_norm = LayerNorm(f"{scope}/output", size, init)

    def __call__(
        self, x: tf.Tensor, mask_BLL: tf.Tensor, random: RandomStream | None
    ) -> tf.Tensor:
        y = self.attention_output(self.attention(x, mask_BLL, random), in_axes=2)
        x = self.attention_norm.after_residual(x, y, self._dropout, random)
        y = self.output(gelu(self.intermediate(x)))
        return self.output_norm.after_residual(x, y, self._dropout, random)


class Encoder(tf.Module):
    """Tokens -> hidden states. Several encoders may share their embeddings."""

    def __init__(
        self,
        scope: str,
        config: TransformerConfig,
        embeddings: Embeddings,
        init: Initializer,
        gradient_checkpointing: bool = False,
    ):
        super().__init__()
        self._gradient_checkpointing = gradient_checkpointing
        self.embeddings, self.embeddings_project = embeddings, None
        in_size, size = embeddings.word.shape[1], config.hidden_size
        if in_size != size:
            self.embeddings_project = Dense(
                f"{scope}/embeddings_project", in_size, size, init, glorot=True
            )
        self.layers = [
            Layer(f"{scope}/encoder/layer_{i}", config, init)
            for i in range(config.num_hidden_layers)
        ]

    def __call__(
        self, inputs: Inputs, view: View, random: RandomStream | None = None
    ) -> tf.Tensor:
        """-> [B, L, H]; dropout only with `random`."""
        x = self.embeddings(inputs, view, random)
        if self.embeddings_project:
            x = self.embeddings_project(x)
        for layer in self.layers:
            if self._gradient_checkpointing:
                x = checkpointed(layer, x, view.attention_mask, random)
            else:
                x = layer(x, view.attention_mask, random)
        return x
