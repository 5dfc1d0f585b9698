"""A training step on this machine's CPU, beside transformers and PyTorch.

The systems run in processes of their own and take turns, a few steps at a time, so that
what else the machine does falls on all of them alike; medians over the rounds count.
Where others use the cores too, --threads=1 and the processor's seconds are fairer:
PyTorch's threads wait for each other at every operation.

  python -m tools.bench_train --config=configs/electra_small.toml \\
      --hparams='{"train_batch_size": 32, "vocab_size": 30000}' --steps=3 --rounds=5
"""

import json
import statistics
import subprocess
import sys
import time

from absl import flags

from data_prep import cli
from electra_tf import flops, presets
from electra_tf.config import PretrainingConfig
from tools import bench_systems

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
    "ours float32": lambda config: bench_systems.ours(config, "float32"),
    "PyTorch float32": lambda config: bench_systems.pytorch(config, False),
    "ours bfloat16": lambda config: bench_systems.ours(config, "bfloat16"),
    "PyTorch bfloat16": lambda config: bench_systems.pytorch(config, True),
    "peak float32": lambda _: bench_systems.matrix_products("float32"),
    "peak bfloat16": lambda _: bench_systems.matrix_products("bfloat16"),
}


def serve(system: str) -> None:
    """Runs as many steps as each line of stdin says.

    Answers with their seconds by the clock and those of all cores together.
    """
    bench_systems.limit_threads(_THREADS.value)
    run = _SYSTEMS[system](_config())
    run(2)  # compiled, and warm
    print("ready", flush=True)
    for line in sys.stdin:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        run(int(line))
        clock, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        print(json.dumps([clock, cpu]), flush=True)


def _config() -> PretrainingConfig:
    return presets.load(_CONFIG.value, _HPARAMS.value)


def _start(system: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tools.bench_train", f"--system={system}"),
            *(f"--config={_CONFIG.value}", f"--hparams={_HPARAMS.value}"),
            f"--threads={_THREADS.value}",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    _answer(system, process)
    return process


def _answer(system: str, process: subprocess.Popen) -> str:
    line = process.stdout.readline()
    if not line:
        raise cli.UserError(
            f"{system} ended: python -m tools.bench_train --system='{system}' says why "
            "(PyTorch and transformers: pip install 'korean-electra-tf[verify]')"
        )
    return line


def measure() -> dict[str, tuple[float, float]]:
    """System -> medians of a step's seconds, by the clock and of all cores."""
    processes = {system: _start(system) for system in _SYSTEMS}
    turns = {system: [] for system in _SYSTEMS}
    for _ in range(_ROUNDS.value):
        for system, process in processes.items():
            process.stdin.write(f"{_STEPS.value}\n")
            process.stdin.flush()
            turns[system].append(json.loads(_answer(system, process)))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return {
        system: tuple(
            statistics.median(x) / _STEPS.value for x in zip(*found, strict=True)
        )
        for system, found in turns.items()
    }


def report(seconds: dict[str, tuple[float, float]], config: PretrainingConfig) -> str:
    """The table people read, then one line of JSON."""
    tokens = config.train_batch_size * config.max_seq_length
    needed = flops.train_step_flops(config)
    lines = [f"{needed / 1e9:.0f} GFLOP a step of {tokens} tokens"]
    found = {"gflop": needed / 1e9}
    for dtype in ("float32", "bfloat16"):
        products = needed / bench_systems.product_flops()
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
        serve(_SYSTEM.value)
    else:
        print(report(measure(), _config()))


if __name__ == "__main__":
    cli.run(main)
