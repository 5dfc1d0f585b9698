"""Building blocks: initial values, linear maps, layer norm, gelu."""

import math

import tensorflow as tf

from electra_tf.model.compiled_ops import affine, compiled, fused, shape_of
from electra_tf.model.dropout import RandomStream, draws, dropped

_LAYER_NORM_EPSILON = 1e-12


@tf.custom_gradient
def gelu(x: tf.Tensor):
    """x * Phi(x), by erf, as the original computes it.

    Saves the derivative: nearly free here, and avoids computing erf again.
    """
    y, slope = _gelu_and_slope(x)
    return y, lambda upstream: upstream * slope


@compiled
def _gelu_and_slope(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    x32 = tf.cast(x, tf.float32)
    cdf = 0.5 * (1.0 + tf.math.erf(x32 * 0.5**0.5))
    pdf = tf.exp(-0.5 * x32 * x32) * (0.5 / math.pi) ** 0.5
    return tf.cast(x32 * cdf, x.dtype), tf.cast(cdf + x32 * pdf, x.dtype)


class Initializer:
    """Makes variables under the original's names."""

    def __init__(self, stddev: float, seed: int):
        self._stddev, self._seed = stddev, seed

    def _stateless_seed(self, name: str) -> tf.Tensor:
        # Seeded by name, so that adding a layer does not change the others.
        key = tf.strings.to_hash_bucket_fast(name, 2**31 - 1)
        return tf.random.fold_in([self._seed, 0], key)

    def normal(self, name: str, shape: list[int]) -> tf.Variable:
        """Truncated normal of `initializer_range`."""
        seed = self._stateless_seed(name)
        value = tf.random.stateless_truncated_normal(shape, seed, stddev=self._stddev)
        return tf.Variable(value, name=name)

    def glorot(self, name: str, shape: list[int]) -> tf.Variable:
        """Uniform within sqrt(6 / (in + out)): TensorFlow's default, which the original
        uses for embeddings_project and the discriminator's last layer."""
        limit = math.sqrt(6.0 / sum(shape))
        seed = self._stateless_seed(name)
        value = tf.random.stateless_uniform(shape, seed, minval=-limit, maxval=limit)
        return tf.Variable(value, name=name)

    @staticmethod
    def constant(name: str, size: int, value: float) -> tf.Variable:
        return tf.Variable(tf.fill([size], value), name=name)


class Dense(tf.Module):
    """x W + b."""

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
        self.bias = init.constant(f"{scope}/bias", out_size, 0.0)

    def __call__(
        self, x: tf.Tensor, out_shape: tuple[int, ...] = (), in_axes: int = 1
    ) -> tf.Tensor:
        """[..., *in] -> [..., *out].

        Args:
          out_shape: the axes that the output is split into; one by default.
          in_axes: the number of last axes that hold the input.
        """
        out_shape = out_shape or self.bias.shape
        kernel, bias = tf.cast(self.kernel, x.dtype), tf.cast(self.bias, x.dtype)
        kernel = tf.reshape(kernel, [*x.shape[-in_axes:], *out_shape])
        return affine(x, kernel, tf.reshape(bias, out_shape))


@tf.custom_gradient
def _normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
    """Layer norm over the last axis, in few passes over `x`."""
    x32 = tf.cast(x, tf.float32)
    # One pass for both moments is accurate only if the mean is not far from 0. A row's
    # first element is at most sqrt(H) deviations from its mean, and taking it away
    # changes neither the result nor the gradient. In bfloat16, where a TPU would take
    # 4 % longer for a step, the pass loses less than the row's own rounding.
    if x.dtype == tf.float32:
        x32 -= x32[..., :1]
    mean = tf.reduce_mean(x32, -1, keepdims=True)
    variance = tf.reduce_mean(x32 * x32, -1, keepdims=True) - mean * mean
    scale = tf.math.rsqrt(tf.nn.relu(variance) + _LAYER_NORM_EPSILON)
    normal = (x32 - mean) * scale

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        g = tf.cast(upstream, tf.float32)
        rows = list(range(len(x.shape) - 1))
        along_1 = tf.reduce_mean(g * gamma, -1, keepdims=True)
        along_x = tf.reduce_mean(g * gamma * normal, -1, keepdims=True)
        d_x = scale * (g * gamma - along_1 - normal * along_x)
        d_gamma, d_beta = tf.reduce_sum(g * normal, rows), tf.reduce_sum(g, rows)
        return tf.cast(d_x, x.dtype), d_gamma, d_beta

    return tf.cast(normal * gamma + beta, x.dtype), gradient


_normalise = fused(_normalised)
_add_normalise = fused(lambda x, y, *scales: _normalised(x + y, *scales))
_drop_add_normalise = fused(
    lambda x, y, bits, limit, *scales: _normalised(x + dropped(y, bits, limit), *scales)
)


class LayerNorm(tf.Module):
    """Normalises the last axis, in float32 whatever the dtype of its input."""

    def __init__(self, scope: str, size: int, init: Initializer):
        super().__init__()
        self.beta = init.constant(f"{scope}/LayerNorm/beta", size, 0.0)
        self.gamma = init.constant(f"{scope}/LayerNorm/gamma", size, 1.0)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return _normalise(x, self.gamma, self.beta)

    def after_residual(
        self, x: tf.Tensor, y: tf.Tensor, rate: float, random: RandomStream | None
    ) -> tf.Tensor:
        """Normalises x + dropout(y)."""
        drawn = draws(shape_of(y), rate, random)
        add_normalise = _drop_add_normalise if drawn else _add_normalise
        return add_normalise(x, y, *drawn, self.gamma, self.beta)
