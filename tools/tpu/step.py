"""The training step as an HLO module; operations are named by parts of the model."""

import contextlib
import functools
import math
import unittest.mock
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.eager import record

from electra_tf.config import PretrainingConfig
from electra_tf.model import attention, dropout, encoder, layers
from electra_tf.model.batch import Inputs
from electra_tf.optimizer import AdamWeightDecay
from electra_tf.pretrain import generators, masking, objective
from electra_tf.pretrain import model as pretraining_model
from electra_tf.pretrain import step as train_step
from electra_tf.pretrain.compiled_steps import Trainer
from electra_tf.pretrain.step import ReplicaStep

# Calls that open a scope of this name ("": the layer's own). Scopes nest, and gradients
# inherit them, so an operation is named by all calls that led to it.
_SCOPES = (
    (masking, "mask", "masking"),
    (masking, "corrupt", "masking"),
    (masking, "sample", "sampling"),
    (ReplicaStep, "apply_gradients", "clipping"),
    (AdamWeightDecay, "apply", "optimizer"),
    (generators.MaskedLMGenerator, "__call__", "generator"),
    (generators.TwoTowerGenerator, "__call__", "generator"),
    (objective, "cross_entropy", "token_loss"),
    (generators.VocabularyHead, "__call__", "token_head"),
    (pretraining_model.PretrainingModel, "discriminate", "discriminator"),
    (pretraining_model.ReplacedTokenHead, "__call__", "replaced_head"),
    (objective, "discriminator_losses", "replaced_head"),
    (encoder.Embeddings, "__call__", "embeddings"),
    (attention.SelfAttention, "__call__", "attention"),
    (encoder.Layer, "__call__", "layer"),
    (layers.Dense, "__call__", ""),
    (layers.LayerNorm, "__call__", "layer_norm"),
    (layers.LayerNorm, "after_residual", "layer_norm"),
    (encoder, "dropout", "dropout"),
    (dropout, "random_bits", "dropout"),
)


@contextlib.contextmanager
def named_parts() -> Iterator[None]:
    """Operations traced inside are named by the scopes above."""

    def scoped(function, name):
        @functools.wraps(function)
        def call(*args, **kwargs):
            with tf.name_scope(name or args[0].kernel.name.split("/kernel")[0]):
                return function(*args, **kwargs)

        return call

    def recorded(op_type, results, tensors, backward_function, **kwargs):
        # TensorFlow's own gradients inherit the scope, but not tf.custom_gradient's.
        scope = f"gradient_tape/{tf.get_current_name_scope()}/"
        backward = scoped(backward_function, scope)
        record_operation(op_type, results, tensors, backward, **kwargs)

    record_operation = record.record_operation
    patched = [(o, method, scoped(getattr(o, method), n)) for o, method, n in _SCOPES]
    with contextlib.ExitStack() as stack:
        for patch in (*patched, (record, "record_operation", recorded)):
            stack.enter_context(unittest.mock.patch.object(*patch))
        yield


@contextlib.contextmanager
def sums_over(replicas: int) -> Iterator[None]:
    """Sums traced inside are over so many replicas, as with TPUStrategy."""

    def all_reduce(tensors):
        groups = [list(range(replicas))]
        return [
            gen_xla_ops.xla_all_reduce(x, groups, "Add", "CrossReplica")
            for x in tensors
        ]

    with unittest.mock.patch.object(train_step, "all_reduce", all_reduce):
        yield


def num_parameters(config: PretrainingConfig) -> int:
    """The number of parameters of all networks; allocates none."""
    with tf.Graph().as_default():
        model = pretraining_model.PretrainingModel(config)
        return sum(math.prod(v.shape) for v in model.named_variables.values())


class Exporter:
    """Exports a config's step on one of several replicas, for any number of rows."""

    def __init__(self, config: PretrainingConfig, replicas: int):
        """config.compute_dtype must not be "auto"."""
        self._length, self._replicas = config.max_seq_length, replicas
        self._strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
        self._trainer = Trainer(config, self._strategy)

    def hlo(self, rows: int) -> bytes:
        """The unoptimized HloModuleProto of one update from so many rows."""

        def train_step(batch, step):
            return self._strategy.run(self._trainer.replica_step, (batch, step))

        shape = [rows, self._length]
        batch = {name: tf.zeros(shape, tf.int32) for name in Inputs._fields}
        step = tf.function(train_step, jit_compile=True)
        with named_parts(), sums_over(self._replicas):
            write = step.experimental_get_compiler_ir(batch, tf.constant(0, tf.int64))
        return write(stage="hlo_serialized")
