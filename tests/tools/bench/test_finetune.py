"""The systems that bench.finetune compares run, and its report divides rightly."""

import json

import pytest
from helpers import tiny

from tools.bench import finetune, systems
from tools.bench.side_by_side import Seconds

CONFIG = tiny.config(train_batch_size=4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_system_runs(dtype):
    pytest.importorskip("transformers")
    systems.our_finetuning(CONFIG, dtype)(2)
    systems.our_prediction(CONFIG, dtype)(2)
    systems.pytorch_finetuning(CONFIG, dtype)(2)
    systems.pytorch_prediction(CONFIG, dtype)(2)


def test_report():
    seconds = {
        f"{work} float32 {whose}": Seconds(clock, 2 * clock)
        for work, ours in (("training", 1.0), ("prediction", 0.5))
        for whose, clock in (("ours", ours), ("PyTorch", 4 * ours))
    }
    *table, values = finetune.report(seconds, ["float32"], 32).splitlines()
    assert len(table) == 6
    assert table[0].endswith("1.000 s,  2.000 s of all cores,    32 rows/s")
    assert table[2].endswith("ours / PyTorch 0.25, of all cores 0.25")
    assert table[3].endswith("64 rows/s")
    assert json.loads(values)["prediction float32"] == {
        "ours": [0.5, 1.0],
        "pytorch": [2.0, 4.0],
    }
