"""The formula counts what a forward pass multiplies; devices have known peaks."""

import math
import re

import pytest
import tensorflow as tf
from helpers import tiny

from electra_tf.pretrain import flops, masking, objective
from electra_tf.pretrain.model import PretrainingModel

VARIANTS = {
    "electra": {},
    "masked_lm": {"electra_objective": False},
    "electric": {"electra_objective": False, "electric_objective": True},
    "own_embeddings": {"untied_generator_embeddings": True},
    "uniform": {"uniform_generator": True},
    "one_encoder": {"untied_generator": False},
}


def product_flops(operation: tf.Operation) -> int:
    """2 m n k of a product of matrices, from its static shapes."""
    shapes = [tensor.shape.as_list() for tensor in operation.inputs]
    if operation.type == "MatMul":
        inner = shapes[0][0 if operation.get_attr("transpose_a") else 1]
        return 2 * inner * math.prod(operation.outputs[0].shape.as_list())
    if operation.type in ("BatchMatMulV2", "BatchMatMulV3"):
        inner = shapes[0][-2 if operation.get_attr("adj_x") else -1]
        return 2 * inner * math.prod(operation.outputs[0].shape.as_list())
    if operation.type == "Einsum":
        letters = re.split(",|->", operation.get_attr("equation").decode())[:2]
        sizes = {
            letter: size
            for term, shape in zip(letters, shapes, strict=True)
            for letter, size in zip(term, shape, strict=True)
        }
        return 2 * math.prod(sizes.values())
    return 0


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_formula_is_what_the_graph_multiplies(changes):
    config = tiny.config({"num_hidden_layers": 1}, train_batch_size=3, **changes)
    model = PretrainingModel(config)
    inputs = tiny.inputs([16, 9, 5])
    masked = masking.mask(inputs, config, tf.constant([1, 2]))

    @tf.function
    def forward():
        sampled = masked.masked_lm_ids
        return objective.forward(model, inputs, masked, sampled_ids=sampled)

    operations = forward.get_concrete_function().graph.get_operations()
    counted = sum(map(product_flops, operations))
    # The two token types are looked up by a product with a one-hot, not counted there.
    look_ups = sum(
        product_flops(op)
        for op in operations
        if op.type == "BatchMatMulV2" and op.inputs[0].shape[-1] == 2
    )
    assert 3 * (counted - look_ups) == pytest.approx(flops.train_step_flops(config))


@pytest.mark.parametrize(
    ("kind", "dtype", "expected"),
    [
        ("v3-8", "bfloat16", 61.5e12),
        ("v2-32", "float32", 22.5e12),
        ("v5litepod-16", "bfloat16", 197e12),
        ("NVIDIA A100-SXM4-40GB", "bfloat16", 312e12),
        ("NVIDIA A100-SXM4-40GB", "float32", 156e12),
        ("NVIDIA H100 PCIe", "bfloat16", 756e12),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989e12),
        ("Tesla V100-SXM2-16GB", "float32", 15.7e12),
        ("NVIDIA L40S", "bfloat16", None),
        ("cpu", "float32", None),
    ],
)
def test_peak_of_a_device(kind, dtype, expected):
    assert flops.peak(kind, dtype) == expected
