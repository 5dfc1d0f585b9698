"""Layers computed twice: the same gradients, though little is kept for them."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from electra_tf.model import compiled_ops
from electra_tf.model.dropout import RandomStream
from electra_tf.model.encoder import Layer
from electra_tf.model.gradient_checkpointing import checkpointed
from electra_tf.model.layers import Initializer
from electra_tf.optimizer import AdamWeightDecay
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.pretrain.step import ReplicaStep

OVERRIDES = {
    "num_hidden_layers": 1,
    "hidden_dropout_prob": 0.3,
    "attention_probs_dropout_prob": 0.3,
}
NEEDS_COMPILER = pytest.mark.skipif(
    not compiled_ops.has_compiler(),
    reason="XLA has no compiler for CPUs in this build of TensorFlow",
)


@pytest.fixture
def layer() -> Layer:
    made = Layer("layer", tiny.config(OVERRIDES).discriminator(), Initializer(0.2, 0))
    tiny.set_random_values({v.name: v for v in made.variables})
    return made


def gradients(layer: Layer, checkpointing: bool, is_random: bool = True) -> list:
    """Two layers' output, its gradients, and the next draw."""
    x = tf.random.stateless_normal([3, 8, 32], [1, 2])
    mask = tf.cast(tf.range(8) < [[[8]], [[5]], [[3]]], tf.float32)
    random = RandomStream(tf.constant([4, 5])) if is_random else None
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for _ in range(2):
            args = (y, mask, random)
            y = checkpointed(layer, *args) if checkpointing else layer(*args)
        loss = tf.reduce_sum(y * y)
    found = tape.gradient(loss, [x, *layer.trainable_variables])
    return [y, *found, *([random.next()] if random else [])]


def assert_same(ours: list, theirs: list) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("is_random", [True, False])
@pytest.mark.parametrize("by_xla", [pytest.param(True, marks=NEEDS_COMPILER), False])
def test_gradients_are_those_of_layers_that_keep_all(
    layer, by_xla, is_random, monkeypatch
):
    monkeypatch.setattr(compiled_ops, "has_compiler", lambda: by_xla)
    ours, theirs = (
        tf.function(gradients, autograph=False)(layer, checkpointing, is_random)
        for checkpointing in (True, False)
    )
    assert np.abs(theirs[1]).max() > 0.1
    assert_same(ours, theirs)


@NEEDS_COMPILER
def test_xla_does_not_merge_the_two_computations(layer):
    products = {}
    for checkpointing in (True, False):
        step = tf.function(gradients, jit_compile=True, autograph=False)
        write = step.experimental_get_compiler_ir(layer, checkpointing, True)
        products[checkpointing] = write(stage="optimized_hlo").count(" dot(")
    kernels = 6
    assert products[True] >= products[False] + 2 * kernels


def test_a_step_in_pieces_makes_the_same_update():
    batch = tiny.inputs([16, 9, 5, 12] * 2)._asdict()
    found = []
    for checkpointing in (True, False):
        config = tiny.config(
            OVERRIDES,
            embedding_size=32,  # with one size for all, compiled parts are shared
            generator_hidden_size=1.0,
            gradient_checkpointing=checkpointing,
            gradient_accumulation_steps=2,
        )
        model = PretrainingModel(config)
        tiny.set_random_values(model.named_variables)
        optimizer = AdamWeightDecay(model.named_variables, config.weight_decay_rate)
        step = tf.function(ReplicaStep(config, model, optimizer), autograph=False)
        sums = step(batch, tf.constant(3, tf.int64))
        found.append([*sums.values(), *model.named_variables.values()])
    assert_same(*found)
