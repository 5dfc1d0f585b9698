"""Times a training step on this machine's CPU, beside transformers and PyTorch.

The systems run in processes of their own and take turns, a few steps at a time. If
other programs use the cores too, compare with --threads=1 and by CPU seconds: PyTorch's
threads wait for each other at every operation.

  python -m tools.bench.train --config=configs/electra_small.toml \\
      --hparams='{"train_batch_size": 32, "vocab_size": 30000}' --steps=3
"""

import dataclasses
import json

from common import cli
from common.cli import flag
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from electra_tf.pretrain import flops
from tools.bench import side_by_side
from tools.bench.side_by_side import Seconds, Steps, Turns

_SIDE = 2048
PRODUCT_FLOPS = 2.0 * _SIDE**3
_DTYPES = ("float32", "bfloat16")
_SYSTEMS = [
    f"{name} {dtype}" for dtype in _DTYPES for name in ("ours", "PyTorch", "peak")
]


@dataclasses.dataclass(frozen=True)
class Network:
    """Network."""

    config: str = flag(
        "configs/electra_small.toml", "A preset: configs/*.toml.", reads=True
    )
    hparams: str = flag(
        '{"train_batch_size": 32, "vocab_size": 30000}',
        "Changes to the preset: a JSON object, or a file with one.",
        reads=True,
    )


def matrix_products(dtype: str) -> Steps:
    """Products of two large square matrices, of PRODUCT_FLOPS each."""
    import tensorflow as tf

    a = tf.cast(tf.random.normal([_SIDE, _SIDE]), dtype)
    product = tf.function(lambda: tf.reduce_max(tf.matmul(a, a)))
    return lambda count: [product().numpy() for _ in range(count)] and None


def _steps(system: str, config: PretrainingConfig) -> Steps:
    from tools.bench import systems

    name, dtype = system.split()
    if name == "peak":
        return matrix_products(dtype)
    make = systems.our_pretraining if name == "ours" else systems.pytorch_pretraining
    return make(config, dtype)


def report(seconds: dict[str, Seconds], config: PretrainingConfig) -> str:
    """A table, then one line of JSON."""
    tokens = config.train_batch_size * config.max_seq_length
    needed = flops.train_step_flops(config)
    lines = [f"{needed / 1e9:.0f} GFLOP a step of {tokens} tokens"]
    values = {"gflop": needed / 1e9}
    for dtype in _DTYPES:
        products = needed / PRODUCT_FLOPS
        ours, theirs, peak = (
            seconds[f"{name} {dtype}"] for name in ("ours", "PyTorch", "peak")
        )
        floor = peak[0] * products
        for name, (clock, cpu) in (("ours", ours), ("PyTorch", theirs)):
            lines.append(
                f"{dtype:8} {name:7} {clock:6.3f} s, {cpu:6.3f} s of all cores, "
                f"{tokens / clock:6.0f} tokens/s, {floor / clock:4.0%} of the peak"
            )
        lines.append(
            f"{dtype:8} ours / PyTorch {ours[0] / theirs[0]:.2f}, of all cores "
            f"{ours[1] / theirs[1]:.2f}; matrix products alone {floor:.3f} s "
            f"({needed / floor / 1e9:.0f} GFLOP/s)"
        )
        values[dtype] = {"ours": ours, "pytorch": theirs, "floor": floor}
    return "\n".join([*lines, json.dumps(values)])


def bench_train(network: Network, turns: Turns) -> None:
    config = config_files.load(network.config, network.hparams)
    seconds = side_by_side.compare(
        "tools.bench.train", network, turns, _SYSTEMS, lambda name: _steps(name, config)
    )
    print(report(seconds, config))


if __name__ == "__main__":
    cli.run(bench_train)
