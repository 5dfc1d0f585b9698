"""Saves memory: the backward pass computes each layer again instead of keeping it.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from collections.abc import Callable

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from electra_tf.model import compiled_ops
from electra_tf.model.dropout import RandomStream


def checkpointed(
    layer: Callable[..., tf.Tensor],
    x: tf.Tensor,
    mask_BLL: tf.Tensor,
    random: RandomStream | None,
) -> tf.Tensor:
    """`layer(x, mask_BLL, random)`, of which only `x` is kept for the backward pass.

    Random numbers are a function of the stream's seed, so both computations draw the
    same. tf.recompute_grad would not do: it delays only what depends on float
    arguments, so XLA would merge the two draws, as large as attention's weights, and
    keep them.
    """

    @tf.custom_gradient
    def run(x: tf.Tensor):
        begin = [] if random is None else [random.seed]

        def gradient(upstream: tf.Tensor, variables: list[tf.Variable]):
            again, upstream, *seed = _barrier(x, upstream, *begin)
            with tf.GradientTape() as tape:
                tape.watch(again)
                y = layer(again, mask_BLL, RandomStream(*seed) if seed else None)
            d_x, *rest = tape.gradient(y, [again, *variables], upstream)
            return d_x, rest

        return layer(x, mask_BLL, random), gradient

    return run(x)


def _barrier(*tensors: tf.Tensor) -> list[tf.Tensor]:
    """The same tensors, once all of them have been computed.

    To XLA they are new values: it neither merges what is computed from them with
    earlier results nor starts it early.
    """
    on_tpu = isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)
    if on_tpu or compiled_ops.has_compiler():
        return _xla_barrier(*tensors)
    with tf.control_dependencies(tensors):
        return [tf.identity(x) for x in tensors]


@compiled_ops.compiled
def _xla_barrier(*tensors: tf.Tensor) -> list[tf.Tensor]:
    return xla.optimization_barrier(*tensors)
