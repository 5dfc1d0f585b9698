"""The systems that bench.train compares run, and its report divides rightly."""

import json
import tempfile

import pytest
from helpers import tiny

from tools.bench import systems, train

CONFIG = tiny.config(train_batch_size=4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_system_trains_and_leaves_no_folder(dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pytest.importorskip("transformers")
    systems.our_pretraining(CONFIG, dtype)(2)
    systems.pytorch_pretraining(CONFIG, dtype)(2)
    train.matrix_products(dtype)(1)
    assert list(tmp_path.glob("tmp*")) == []  # PyTorch leaves a folder of its own


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
