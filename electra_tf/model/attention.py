"""Self-attention, whose backward pass keeps only one array of shape [B, N, T, F].

B batch, N heads, F and T positions (from and to), D head size, H hidden size.
"""

import tensorflow as tf

from electra_tf.config import TransformerConfig
from electra_tf.model import dropout
from electra_tf.model.compiled_ops import compiled, shape_of
from electra_tf.model.dropout import RandomStream
from electra_tf.model.layers import Dense, Initializer

_MASKED = -10_000.0


class SelfAttention(tf.Module):
    """softmax(Q K^T / sqrt(D)) V."""

    def __init__(self, scope: str, config: TransformerConfig, init: Initializer):
        super().__init__()
        size = config.hidden_size
        self._heads = config.num_attention_heads
        self._dropout = config.attention_probs_dropout_prob
        self.query = Dense(f"{scope}/query", size, size, init)
        self.key = Dense(f"{scope}/key", size, size, init)
        self.value = Dense(f"{scope}/value", size, size, init)

    def __call__(
        self, x: tf.Tensor, mask_BFT: tf.Tensor, random: RandomStream | None
    ) -> tf.Tensor:
        """[B, F, H] -> [B, F, N, D]."""
        batch, length, size = shape_of(x)
        heads = (self._heads, size // self._heads)
        q_BFND, k_BTND, v_BTND = (
            project(x, heads) for project in (self.query, self.key, self.value)
        )
        # Scaling q is cheaper than scaling the scores.
        q_BFND *= heads[1] ** -0.5
        shape = [batch, self._heads, length, length]
        draws = dropout.draws(shape, self._dropout, random)
        bias_BTF = (1.0 - tf.linalg.matrix_transpose(mask_BFT)) * _MASKED
        return attend(q_BFND, k_BTND, v_BTND, bias_BTF, *draws)


def attend(
    q_BFND: tf.Tensor,
    k_BTND: tf.Tensor,
    v_BTND: tf.Tensor,
    bias_BTF: tf.Tensor,
    *draws: tf.Tensor,
) -> tf.Tensor:
    """Mixes values by dropout(softmax(q k^T + bias)): [B, F, N, D].

    Of the [B, N, T, F] arrays only the unnormalised weights are kept, negative where
    dropout removes them. Both the normalisation and the sum over T in softmax's
    gradient are done on the cheaper [B, F, N, D] side of the products, as derived in
    Dao et al. 2022, "FlashAttention", appendix B.2.

    Args:
      bias_BTF: float32, broadcast over heads; no gradient.
      draws: of `dropout.draws`, for [B, N, T, F].
    """
    scale = dropout.scale(draws[1]) if draws else 1.0

    @tf.custom_gradient
    def run(q_BFND: tf.Tensor, k_BTND: tf.Tensor, v_BTND: tf.Tensor):
        scores_BNTF = tf.einsum("BTND,BFND->BNTF", k_BTND, q_BFND)
        signed_BNTF, total_BNF = _signed_weights(scores_BNTF, bias_BTF, *draws)
        kept_BNTF = tf.nn.relu(signed_BNTF)
        share_BFN1 = tf.transpose(scale / total_BNF, [0, 2, 1])[..., None]
        mixed_BFND = tf.einsum("BNTF,BTND->BFND", kept_BNTF, v_BTND)
        mixed_BFND = _scaled(mixed_BFND, share_BFN1)

        def gradient(upstream_BFND: tf.Tensor):
            g_BFND = _scaled(upstream_BFND, share_BFN1)
            products = tf.cast(upstream_BFND, tf.float32) * tf.cast(
                mixed_BFND, tf.float32
            )
            mean_BNF = tf.transpose(tf.reduce_sum(products, -1), [0, 2, 1]) / total_BNF
            towards_BNTF = tf.einsum("BTND,BFND->BNTF", v_BTND, g_BFND)
            d_BNTF = _scores_gradient(signed_BNTF, towards_BNTF, mean_BNF)
            return (
                tf.einsum("BNTF,BTND->BFND", d_BNTF, k_BTND),
                tf.einsum("BNTF,BFND->BTND", d_BNTF, q_BFND),
                tf.einsum("BNTF,BFND->BTND", kept_BNTF, g_BFND),
            )

        return mixed_BFND, gradient

    return run(q_BFND, k_BTND, v_BTND)


def _scaled(x_BFND: tf.Tensor, factor_BFN1: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(x_BFND, tf.float32) * factor_BFN1, x_BFND.dtype)


@compiled
def _signed_weights(
    scores_BNTF: tf.Tensor, bias_BTF: tf.Tensor, *draws: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """exp(score - largest), negative where dropped, and their unsigned sums over T."""
    scores = tf.cast(scores_BNTF, tf.float32) + bias_BTF[:, None]
    weights = tf.exp(scores - tf.reduce_max(scores, 2, keepdims=True))
    total_BNF = tf.reduce_sum(weights, 2)
    if draws:
        kept = dropout.is_kept(shape_of(weights), *draws)
        weights = tf.where(kept, weights, -weights)
    return tf.cast(weights, scores_BNTF.dtype), total_BNF


@compiled
def _scores_gradient(
    signed_BNTF: tf.Tensor, towards_BNTF: tf.Tensor, mean_BNF: tf.Tensor
) -> tf.Tensor:
    signed, towards = (tf.cast(x, tf.float32) for x in (signed_BNTF, towards_BNTF))
    d_BNTF = tf.nn.relu(signed) * towards - tf.abs(signed) * mean_BNF[:, :, None]
    return tf.cast(d_BNTF, signed_BNTF.dtype)
