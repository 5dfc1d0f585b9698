"""A training step on this machine's CPU, beside transformers and PyTorch.

The systems run in processes of their own and take turns, a few steps at a time. Where
others use the cores too, --threads=1 and the processor's seconds are fairer:
PyTorch's threads wait for each other at every operation.

  python -m tools.bench.train --config=configs/electra_small.toml \\
      --hparams='{"train_batch_size": 32, "vocab_size": 30000}' --steps=3 --rounds=5
"""

import json

from absl import flags

from common import cli
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from electra_tf.pretrain import flops
from tools.bench import systems, turns
from tools.bench.turns import Seconds

_CONFIG = flags.DEFINE_string(
    "config", "configs/electra_small.toml", "A preset: configs/*.toml."
)
_HPARAMS = flags.DEFINE_string(
    "hparams",
    '{"train_batch_size": 32, "vocab_size": 30000}',
    "Changes to the preset: a JSON object, or a file that holds one.",
)
_STEPS = flags.DEFINE_integer("steps", 3, "Steps of a system's turn.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each system.", lower_bound=1)
_THREADS = flags.DEFINE_integer(
    "threads", 0, "Threads of each system; 0: as many as cores."
)
_SYSTEM = flags.DEFINE_string("system", "", "Used by the script itself.")

_SYSTEMS = {
    "ours float32": lambda config: systems.ours(config, "float32"),
    "PyTorch float32": lambda config: systems.pytorch(config, False),
    "ours bfloat16": lambda config: systems.ours(config, "bfloat16"),
    "PyTorch bfloat16": lambda config: systems.pytorch(config, True),
    "peak float32": lambda _: systems.matrix_products("float32"),
    "peak bfloat16": lambda _: systems.matrix_products("bfloat16"),
}


def _config() -> PretrainingConfig:
    return config_files.load(_CONFIG.value, _HPARAMS.value)


def measure() -> dict[str, Seconds]:
    """System -> medians of a step's seconds."""
    command = [
        *("-m", "tools.bench.train", f"--config={_CONFIG.value}"),
        *(f"--hparams={_HPARAMS.value}", f"--threads={_THREADS.value}"),
    ]
    return turns.measure(command, list(_SYSTEMS), _STEPS.value, _ROUNDS.value)


def report(seconds: dict[str, Seconds], config: PretrainingConfig) -> str:
    """The table people read, then one line of JSON."""
    tokens = config.train_batch_size * config.max_seq_length
    needed = flops.train_step_flops(config)
    lines = [f"{needed / 1e9:.0f} GFLOP a step of {tokens} tokens"]
    found = {"gflop": needed / 1e9}
    for dtype in ("float32", "bfloat16"):
        products = needed / systems.product_flops()
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
        found[dtype] = {"ours": ours, "pytorch": theirs, "floor": floor}
    return "\n".join([*lines, json.dumps(found)])


def main() -> None:
    if _SYSTEM.value:
        systems.limit_threads(_THREADS.value)
        turns.serve(_SYSTEMS[_SYSTEM.value](_config()))
    else:
        print(report(measure(), _config()))


if __name__ == "__main__":
    cli.run(main)
