"""The transformer encoder, variable by variable as the original's checkpoints name it.

Dimension letters: B batch, L sequence length, H hidden size, E embedding size,
V vocabulary, N attention heads, D head size; F and T are L, from and to.
"""

import math

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.fused import affine, fused

_LAYER_NORM_EPSILON = 1e-12
_MASKED = -10_000.0
# Each dropout's decision takes 16 random bits.
_DRAWS = 65_536


class RandomStream:
    """Seeds for one pass through the networks: each call site takes the next one.

    The order of calls is fixed when the graph is traced, so the same base seed draws
    the same numbers, step after resumed step.
    """

    def __init__(self, seed: tf.Tensor):
        """seed: int32 [2]."""
        self._seed = seed
        self._count = 0

    def next(self) -> tf.Tensor:
        # Stateless generators hash their seed: neighbours give unrelated streams.
        self._count += 1
        return self._seed + tf.constant([0, self._count])


def dropout(x: tf.Tensor, rate: float, random: RandomStream | None) -> tf.Tensor:
    """Zeroes a share of `x` and scales up the rest; the identity without randomness."""
    if random is None or rate == 0.0:
        return x
    return _drop(x, dropout_bits(x, random), dropout_threshold(rate))


def dropout_threshold(rate: float) -> tf.Tensor:
    """uint32 []: how many of 65,536 equally likely draws drop an element."""
    return tf.constant(round(rate * _DRAWS), tf.uint32)


def dropout_bits(x: tf.Tensor, random: RandomStream) -> tf.Tensor:
    """Randomness for `_dropped`: uint32, 16 bits for each element of `x`."""
    first, *rest = shape_of(x)
    shape = [(first + 1) // 2, *rest]
    return tf.random.stateless_uniform(shape, random.next(), None, None, tf.uint32)


def _dropped(x: tf.Tensor, bits: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """The rate is that of the threshold: 0.100006 for 0.1; so is what makes up for it.

    The lower halves of `bits` decide about the first half of x's rows, the upper ones
    about the second: drawing numbers is what dropout costs.
    """
    shifts = tf.reshape(tf.constant([0, 16], tf.uint32), [2] + [1] * len(x.shape))
    halves = tf.bitwise.right_shift(bits[None], shifts) & (_DRAWS - 1)
    draws = tf.reshape(halves, [-1, *shape_of(x)[1:]])[: shape_of(x)[0]]
    scale = _DRAWS / (_DRAWS - tf.cast(threshold, tf.float32))
    y = tf.cast(x, tf.float32) * scale
    return tf.cast(tf.where(draws >= threshold, y, 0.0), x.dtype)


_drop = fused(_dropped)


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """The shape, with integers wherever they are known (TPUs want static shapes)."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]


@fused
def gelu(x: tf.Tensor) -> tf.Tensor:
    """x * Phi(x), with the erf, as the original computes it."""
    x32 = tf.cast(x, tf.float32)
    return tf.cast(x32 * 0.5 * (1.0 + tf.math.erf(x32 * 0.5**0.5)), x.dtype)


class Initializer:
    """Makes variables under the original's names."""

    def __init__(self, stddev: float, seed: int):
        self._stddev, self._seed = stddev, seed

    def _stateless_seed(self, name: str) -> tf.Tensor:
        # The name decides the draw, so that adding a layer leaves the others alone.
        key = tf.strings.to_hash_bucket_fast(name, 2**31 - 1)
        return tf.random.fold_in([self._seed, 0], key)

    def normal(self, name: str, shape: list[int]) -> tf.Variable:
        """Truncated normal of `initializer_range`."""
        seed = self._stateless_seed(name)
        value = tf.random.stateless_truncated_normal(shape, seed, stddev=self._stddev)
        return tf.Variable(value, name=name)

    def glorot(self, name: str, shape: list[int]) -> tf.Variable:
        """Uniform within sqrt(6 / (in + out)): TensorFlow's default, which the original
        leaves in place for embeddings_project and the discriminator's last layer."""
        limit = math.sqrt(6.0 / sum(shape))
        seed = self._stateless_seed(name)
        value = tf.random.stateless_uniform(shape, seed, minval=-limit, maxval=limit)
        return tf.Variable(value, name=name)

    @staticmethod
    def zeros(name: str, shape: list[int]) -> tf.Variable:
        return tf.Variable(tf.zeros(shape), name=name)

    @staticmethod
    def ones(name: str, shape: list[int]) -> tf.Variable:
        return tf.Variable(tf.ones(shape), name=name)


class Dense(tf.Module):
    """x W + b over the last axis."""

    def __init__(
        self,
        scope: str,
        in_size: int,
        out_size: int,
        init: Initializer,
        glorot: bool = False,
    ):
        super().__init__()
        make = init.glorot if glorot else init.normal
        self.kernel = make(f"{scope}/kernel", [in_size, out_size])
        self.bias = init.zeros(f"{scope}/bias", [out_size])

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """[..., in] -> [..., out]."""
        flat = tf.reshape(x, [-1, self.kernel.shape[0]])
        kernel, bias = tf.cast(self.kernel, x.dtype), tf.cast(self.bias, x.dtype)
        y = affine(flat, kernel, bias)
        return tf.reshape(y, [*shape_of(x)[:-1], self.kernel.shape[1]])


def _normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    x32 = tf.cast(x, tf.float32)
    centred = x32 - tf.reduce_mean(x32, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
    y = centred * tf.math.rsqrt(variance + _LAYER_NORM_EPSILON) * gamma + beta
    return tf.cast(y, x.dtype)


_normalise = fused(_normalised)
_add_normalise = fused(lambda x, y, *scales: _normalised(x + y, *scales))
_drop_add_normalise = fused(
    lambda x, y, bits, threshold, *scales: _normalised(
        x + _dropped(y, bits, threshold), *scales
    )
)


class LayerNorm(tf.Module):
    """Normalises the last axis, in float32 whatever the dtype of what it is given."""

    def __init__(self, scope: str, size: int, init: Initializer):
        super().__init__()
        self.beta = init.zeros(f"{scope}/LayerNorm/beta", [size])
        self.gamma = init.ones(f"{scope}/LayerNorm/gamma", [size])

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return _normalise(x, self.gamma, self.beta)

    def after_residual(
        self, x: tf.Tensor, y: tf.Tensor, rate: float, random: RandomStream | None
    ) -> tf.Tensor:
        """Normalises x + dropout(y)."""
        if random is None or rate == 0.0:
            return _add_normalise(x, y, self.gamma, self.beta)
        bits = dropout_bits(y, random)
        threshold = dropout_threshold(rate)
        return _drop_add_normalise(x, y, bits, threshold, self.gamma, self.beta)


class Embeddings(tf.Module):
    """Word + token type + position embeddings, normalised, with dropout.

    The networks compute in the dtype of what comes out here; parameters, the softmax
    and the statistics of layer norm are float32 always.
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
        self,
        input_ids: tf.Tensor,
        segment_ids: tf.Tensor,
        random: RandomStream | None,
        position_ids: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """int32 [B, L] each -> [B, L, E]; positions count up from 0 if not given."""
        # One-hot for the two token types: a gather's gradient would be unsummed slices.
        types = tf.one_hot(segment_ids, self.token_type.shape[0])
        x = tf.gather(self.word, input_ids) + types @ self.token_type
        if position_ids is None:
            x += self.position[: shape_of(input_ids)[1]]
        else:
            x += tf.gather(self.position, position_ids)
        x = tf.cast(self.layer_norm(x), self._compute_dtype)
        return dropout(x, self._dropout, random)


class SelfAttention(tf.Module):
    """softmax(Q K^T / sqrt(D)) V, heads side by side in the last axis."""

    def __init__(self, scope: str, config: TransformerConfig, init: Initializer):
        super().__init__()
        size = config.hidden_size
        self._heads = config.num_attention_heads
        self._dropout = config.attention_probs_dropout_prob
        self.query = Dense(f"{scope}/query", size, size, init)
        self.key = Dense(f"{scope}/key", size, size, init)
        self.value = Dense(f"{scope}/value", size, size, init)

    def __call__(
        self, x: tf.Tensor, mask_BLL: tf.Tensor, random: RandomStream | None
    ) -> tf.Tensor:
        batch, length, size = shape_of(x)
        depth = size // self._heads

        def split(y: tf.Tensor) -> tf.Tensor:
            return tf.reshape(y, [batch, length, self._heads, depth])

        q_BLND, k_BLND, v_BLND = map(split, (self.query(x), self.key(x), self.value(x)))
        # The scale is applied to the smaller factor.
        q_BLND *= depth**-0.5
        scores_BNLL = tf.einsum("BFND,BTND->BNFT", q_BLND, k_BLND)
        scores_BNLL = tf.cast(scores_BNLL, tf.float32)
        scores_BNLL += (1.0 - mask_BLL[:, None]) * _MASKED
        probs_BNLL = tf.cast(tf.nn.softmax(scores_BNLL), x.dtype)
        probs_BNLL = dropout(probs_BNLL, self._dropout, random)
        mixed_BLND = tf.einsum("BNFT,BTND->BFND", probs_BNLL, v_BLND)
        return tf.reshape(mixed_BLND, [batch, length, size])


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
        y = self.attention_output(self.attention(x, mask_BLL, random))
        x = self.attention_norm.after_residual(x, y, self._dropout, random)
        y = self.output(gelu(self.intermediate(x)))
        return self.output_norm.after_residual(x, y, self._dropout, random)


class Encoder(tf.Module):
    """Embeddings [B, L, E] -> hidden states [B, L, H]."""

    def __init__(
        self, scope: str, config: TransformerConfig, in_size: int, init: Initializer
    ):
        super().__init__()
        self.embeddings_project = None
        if in_size != config.hidden_size:
            self.embeddings_project = Dense(
                f"{scope}/embeddings_project",
                in_size,
                config.hidden_size,
                init,
                glorot=True,
            )
        self.layers = [
            Layer(f"{scope}/encoder/layer_{i}", config, init)
            for i in range(config.num_hidden_layers)
        ]

    def __call__(
        self, embedded: tf.Tensor, mask_BLL: tf.Tensor, random: RandomStream | None
    ) -> tf.Tensor:
        """mask_BLL: float, 1 where position L1 may look at position L2."""
        x = self.embeddings_project(embedded) if self.embeddings_project else embedded
        for layer in self.layers:
            x = layer(x, mask_BLL, random)
        return x
