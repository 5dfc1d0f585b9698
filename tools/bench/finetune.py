"""Times fine-tuning and prediction on the CPU, beside transformers and PyTorch.

The task is classification of rows without padding. The systems run in processes of
their own and take turns. If other programs use the cores too, compare with --threads=1
and by CPU seconds.

  python -m tools.bench.finetune --config=configs/electra_small.toml \\
      --hparams='{"train_batch_size": 32, "max_seq_length": 64, "vocab_size": 30000}'
"""

import dataclasses
import itertools
import json

from common import cli
from common.cli import flag
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from tools.bench import side_by_side
from tools.bench.side_by_side import Seconds, Steps, Turns

_WORK = ("training", "prediction")


@dataclasses.dataclass(frozen=True)
class Network:
    """Network."""

    config: str = flag(
        "configs/electra_small.toml",
        "A preset, for the discriminator's sizes.",
        reads=True,
    )
    hparams: str = flag(
        '{"train_batch_size": 32, "max_seq_length": 64, "vocab_size": 30000}',
        "Changes to the preset: a JSON object, or a file with one.",
        reads=True,
    )
    bfloat16: bool = flag(False, "Also compare bfloat16.")


def _steps(system: str, config: PretrainingConfig) -> Steps:
    from tools.bench import systems

    work, dtype, name = system.split()
    make = {
        "training ours": systems.our_finetuning,
        "training PyTorch": systems.pytorch_finetuning,
        "prediction ours": systems.our_prediction,
        "prediction PyTorch": systems.pytorch_prediction,
    }
    return make[f"{work} {name}"](config, dtype)


def report(seconds: dict[str, Seconds], dtypes: list[str], batch_size: int) -> str:
    """A table, then one line of JSON."""
    lines, values = [], {"batch_size": batch_size}
    for case in (f"{work:10} {dtype:8}" for work in _WORK for dtype in dtypes):
        key = " ".join(case.split())
        ours, pytorch = (seconds[f"{key} {name}"] for name in ("ours", "PyTorch"))
        for name, (clock, cpu) in (("ours", ours), ("PyTorch", pytorch)):
            lines.append(
                f"{case} {name:7} {clock:6.3f} s, {cpu:6.3f} s of "
                f"all cores, {batch_size / clock:5.0f} rows/s"
            )
        lines.append(
            f"{case} ours / PyTorch {ours.clock / pytorch.clock:.2f}, "
            f"of all cores {ours.cpu / pytorch.cpu:.2f}"
        )
        values[key] = {"ours": ours, "pytorch": pytorch}
    return "\n".join([*lines, json.dumps(values)])


def bench_finetune(network: Network, turns: Turns) -> None:
    config = config_files.load(network.config, network.hparams)
    dtypes = ["float32", "bfloat16"] if network.bfloat16 else ["float32"]
    whose = ("ours", "PyTorch")
    names = [" ".join(parts) for parts in itertools.product(_WORK, dtypes, whose)]
    seconds = side_by_side.compare(
        "tools.bench.finetune", network, turns, names, lambda name: _steps(name, config)
    )
    print(report(seconds, dtypes, config.train_batch_size))


if __name__ == "__main__":
    cli.run(bench_finetune)
