"""Fine-tuning and prediction on this machine's CPU, beside transformers and PyTorch.

The task is classification, rows are full. The systems take turns (`tools.bench.turns`).
Where others use the cores too, --threads=1 and the processor's seconds are fairer.

  python -m tools.bench.finetune --config=configs/electra_small.toml \\
      --hparams='{"train_batch_size": 32, "max_seq_length": 64, "vocab_size": 30000}'
"""

import json

from absl import flags

from common import cli
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from tools.bench import systems as bench_systems
from tools.bench import turns
from tools.bench.turns import Seconds

_WORK = {
    "training": (bench_systems.our_finetuning, bench_systems.pytorch_finetuning),
    "prediction": (bench_systems.our_prediction, bench_systems.pytorch_prediction),
}


def _name(work: str, dtype: str, whose: str) -> str:
    return f"{work} {dtype} {whose}"


def _config() -> PretrainingConfig:
    return config_files.load(flags.FLAGS.config, flags.FLAGS.hparams)


def serve(system: str) -> None:
    bench_systems.limit_threads(flags.FLAGS.threads)
    work, dtype, whose = system.split()
    ours, pytorch = _WORK[work]
    config = _config()
    is_ours = whose == "ours"
    turns.serve(
        ours(config, dtype) if is_ours else pytorch(config, dtype == "bfloat16")
    )


def measure(dtypes: list[str]) -> dict[str, Seconds]:
    """System -> medians of a step's seconds."""
    given = flags.FLAGS
    command = [
        *("-m", "tools.bench.finetune", f"--config={given.config}"),
        *(f"--hparams={given.hparams}", f"--threads={given.threads}"),
    ]
    systems = [
        _name(work, dtype, whose)
        for work in _WORK
        for dtype in dtypes
        for whose in ("ours", "PyTorch")
    ]
    return turns.measure(command, systems, given.steps, given.rounds)


def report(seconds: dict[str, Seconds], dtypes: list[str], batch_size: int) -> str:
    """The table people read, then one line of JSON."""
    lines, found = [], {"batch_size": batch_size}
    for work in _WORK:
        for dtype in dtypes:
            ours, pytorch = (
                seconds[_name(work, dtype, w)] for w in ("ours", "PyTorch")
            )
            for whose, (clock, cpu) in (("ours", ours), ("PyTorch", pytorch)):
                lines.append(
                    f"{work:10} {dtype:8} {whose:7} {clock:6.3f} s, {cpu:6.3f} s of "
                    f"all cores, {batch_size / clock:5.0f} rows/s"
                )
            lines.append(
                f"{work:10} {dtype:8} ours / PyTorch {ours.clock / pytorch.clock:.2f}, "
                f"of all cores {ours.cpu / pytorch.cpu:.2f}"
            )
            found[f"{work} {dtype}"] = {"ours": ours, "pytorch": pytorch}
    return "\n".join([*lines, json.dumps(found)])


def main() -> None:
    if flags.FLAGS.system:
        serve(flags.FLAGS.system)
        return
    dtypes = ["float32", "bfloat16"] if flags.FLAGS.bfloat16 else ["float32"]
    print(report(measure(dtypes), dtypes, _config().train_batch_size))


if __name__ == "__main__":
    # Defined only here: importing the module must not claim such common flag names.
    flags.DEFINE_string(
        "config",
        "configs/electra_small.toml",
        "A preset, for the discriminator's sizes.",
    )
    flags.DEFINE_string(
        "hparams",
        '{"train_batch_size": 32, "max_seq_length": 64, "vocab_size": 30000}',
        "Changes to the preset: a JSON object, or a file that holds one.",
    )
    flags.DEFINE_bool("bfloat16", False, "Compare bfloat16, too.")
    flags.DEFINE_integer("steps", 5, "Steps of a system's turn.", lower_bound=1)
    flags.DEFINE_integer("rounds", 5, "Turns of each system.", lower_bound=1)
    flags.DEFINE_integer(
        "threads", 0, "Threads of each system; 0: as many as cores.", lower_bound=0
    )
    flags.DEFINE_string("system", "", "Used by the script itself.")
    cli.run(main)
