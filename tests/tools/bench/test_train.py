"""The systems that bench.train compares run, and its report divides rightly."""

import json

import pytest

from electra_tf import config as config_lib
from tools.bench import systems, train

CONFIG = config_lib.from_dict(
    {
        "model_hparam_overrides": {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
        },
        "embedding_size": 16,
        "generator_hidden_size": 1.0,
        "vocab_size": 40,
        "max_seq_length": 16,
        "train_batch_size": 4,
    },
    "bench",
)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_system_trains(dtype):
    pytest.importorskip("transformers")
    systems.our_pretraining(CONFIG, dtype)(2)
    systems.pytorch_pretraining(CONFIG, dtype)(2)
    train.matrix_products(dtype)(1)


def test_report():
    seconds = {
        f"{name} {dtype}": (clock, 2 * clock)
        for dtype in ("float32", "bfloat16")
        for name, clock in (("ours", 1.0), ("PyTorch", 4.0), ("peak", 0.5))
    }
    *table, values = train.report(seconds, CONFIG).splitlines()
    assert "64 tokens/s" in table[1]
    assert "ours / PyTorch 0.25, of all cores 0.25" in table[3]
    needed = json.loads(values)["gflop"] * 1e9
    floor = json.loads(values)["float32"]["floor"]
    assert floor == pytest.approx(needed * 0.5 / train.PRODUCT_FLOPS)
