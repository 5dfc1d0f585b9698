"""The step that trains, compiled for a TPU; and the search for the largest batch."""

import dataclasses
import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electra_tf import config_files
from electra_tf.pretrain import flops
from tools.tpu import compiler
from tools.tpu import costs as step_costs
from tools.tpu import topology as tpu_topology

_NEEDS_COMPILER = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("jax", "libtpu"))),
    reason="the TPU's compiler comes with the extra aot",
)


def _demo(**changes):
    config = config_files.load("configs/demo.toml", '{"compute_dtype": "bfloat16"}')
    return dataclasses.replace(config, **{"vocab_size": 2000} | changes)


@_NEEDS_COMPILER
def test_the_demo_step_compiles_for_a_v3_8():
    """With what a TPU cannot run in it, this would be an error."""
    config, topology = _demo(), tpu_topology.parse("v3-8")
    rows = topology.rows(config.train_batch_size)
    costs = step_costs.StepCosts(config, topology)
    values = costs.at(rows)
    assert values["fits"] and values["loops"] == 0
    assert values["all_reduces"] > 0
    state = 12 * values["parameters"]
    assert state < values["hbm_gib_per_core"] * 2**30 < 20 * state
    needed = flops.train_step_flops(config) / topology.replicas / 1e12
    assert values["model_tflop_per_core"] == pytest.approx(needed)
    assert needed < values["tflop_per_core"] < 2 * needed
    breakdown = values["breakdown"]
    assert sum(breakdown.values()) == values["estimated_cycles"]
    assert breakdown["rest"] < 0.1 * values["estimated_cycles"]
    assert {"attention", "feed-forward", "layer norm", "embeddings"} < set(breakdown)
    assert {"generator head", "sampling", "masking", "optimizer"} < set(breakdown)
    assert costs.at(rows) is values  # compiled once


def test_variables_alone_are_too_much(monkeypatch):
    monkeypatch.setattr(compiler, "compile_module", None)  # not needed
    config = _demo(vocab_size=40_000_000)
    costs = step_costs.StepCosts(config, tpu_topology.parse("v3-8"))
    values = costs.at(8)
    assert not values["fits"] and not costs.at(16)["fits"]
    assert values["hbm_gib_per_core"] > 12 * 64 * 40_000_000 / 2**30


def test_the_compiler_says_what_does_not_fit(monkeypatch):
    stderr = (
        "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran "
        "out of memory on HBM, the total memory required for HLO temporaries (24.50G) "
        "exceeds available HBM (15.48G). HLO module: train_step."
    )
    monkeypatch.setattr(
        compiler.subprocess,
        "run",
        lambda *args, **kwargs: compiler.subprocess.CompletedProcess(
            args, 1, "", stderr
        ),
    )
    with pytest.raises(compiler.DoesNotFitError) as caught:
        compiler.compile_module(b"", 8, "v3:2x2")
    assert caught.value.hbm_bytes == 24.5 * 2**30


@given(st.integers(0, 3000), st.integers(1, 40))
def test_largest_multiple_of_8(most, start):
    asked = []

    def fits(rows):
        asked.append(rows)
        return rows <= most

    found = step_costs.largest_multiple_of_8(fits, 8 * start)
    assert found == most // 8 * 8
    assert all(rows % 8 == 0 for rows in asked)
    assert len(asked) == len(set(asked)) < 20


def test_table_of_a_step_that_fits():
    values = {
        "estimated_cycles": 2500,
        "loops": 0,
        "all_reduces": 1,
        "unestimated_gb": {"rng-bit-generator": 0.0021},
        "breakdown": {"copies": 1574, "feed-forward": 926},
        "topology": "v3-8",
        "replicas": 8,
        "rows_per_core": 32,
        "compute_dtype": "bfloat16",
        "parameters": 123_456_789,
        "fits": True,
        "hbm_gib": 16,
        "hbm_gib_per_core": 8.25,
        "tflop_per_core": 11.4567,
        "model_tflop_per_core": 11.0,
        "gb_moved_per_core": 120.0,
        "estimated_seconds": 0.4,
        "peak_tflops": 61.5,
        "mfu": 0.447,
        "steps_per_day": 216_000,
        "num_train_steps": 1_500_000,
        "days": 6.944,
        "all_reduce_seconds": 0.004,
        "unestimated_seconds": 0.0,
        "top_operations": [
            {
                "part": "feed-forward",
                "kind": "fusion",
                "name": "layer_N/dense",
                "shape": "(f32[64], bf16[8,32])",
                "count": 2,
                "cycles": 800,
            }
        ],
    }
    text = step_costs.table(values)
    assert "8.25 GiB of 16: fits" in text
    assert "0.4 s (2,500 cycles)" in text
    assert "6.94 days for 1,500,000 steps" in text
    assert "rng-bit-generator writes 0.0021 GB" in text
    assert "copies                63.0%" in text
    assert "2 x fusion (f32[64]" in text
    assert "loops" not in text
    assert "3 loops, so a step takes longer" in step_costs.table(values | {"loops": 3})
