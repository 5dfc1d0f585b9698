"""Small runs of the pretraining command, and what they leave in their folders."""

import json
import pathlib
import re
from typing import Any

from helpers import tiny

# Hyperparameters. Networks of equal sizes share their compiled parts.
SMALL = {
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
    },
    "embedding_size": 32,
    "generator_hidden_size": 1.0,
    "max_seq_length": tiny.LENGTH,
    "train_batch_size": 8,
    "eval_batch_size": 4,
    "iterations_per_loop": 5,
}
# What google-research/electra calls its evaluation results.
METRICS = {
    "masked_lm_accuracy",
    "masked_lm_loss",
    "sampled_masked_lm_accuracy",
    "disc_loss",
    "disc_auc",
    "disc_accuracy",
    "disc_precision",
    "disc_recall",
    "loss",
}
# The lines of two runs differ in how long the steps took.
TIMINGS = {
    "steps_per_second",
    "examples_per_second",
    "tokens_per_second",
    "flops_per_second",
    "input_wait_share",
    "interval_seconds",
    "checkpoint_stall_seconds",
    "eta_seconds",
}


def steps(model_dir: pathlib.Path) -> list[int]:
    """Those of the complete checkpoints."""
    names = [path.name for path in model_dir.glob("model.ckpt-*.index")]
    return sorted(int(re.findall(r"\d+", name)[0]) for name in names)


def lines(model_dir: pathlib.Path, *kinds: str) -> list[dict[str, Any]]:
    """The log's lines of these kinds, without how long anything took."""
    path = model_dir / "metrics.jsonl"
    records = map(json.loads, path.read_text().splitlines()) if path.exists() else []
    return [
        {name: value for name, value in record.items() if name not in TIMINGS}
        for record in records
        if record["kind"] in kinds
    ]
