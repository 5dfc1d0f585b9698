"""Communication between replicas within a step; call these in a replica."""

from collections.abc import Iterable

import tensorflow as tf


def num_replicas() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def all_reduce(tensors: Iterable[tf.Tensor]) -> list[tf.Tensor]:
    """Sums each tensor over the replicas."""

    def reduce(strategy: tf.distribute.Strategy, *tensors: tf.Tensor) -> tuple:
        pairs = [(tensor, tensor) for tensor in tensors]
        total = tf.distribute.ReduceOp.SUM
        return tuple(strategy.extended.batch_reduce_to(total, pairs))

    context = tf.distribute.get_replica_context()
    return list(context.merge_call(reduce, args=tuple(tensors)))
