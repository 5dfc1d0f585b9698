"""What a training step costs on a TPU that is not there.

Compiles the step that trains, with one core's share of the batch, with the TPU's own
compiler.

  python -m tools.tpu_cost --config=configs/koelectra_base_v3.toml --topology=v3-8
"""

import dataclasses
import json
import time
from typing import NamedTuple

from absl import flags, logging

from data_prep import cli
from data_prep.cli import UserError
from electra_tf import presets
from tools import tpu_compiler, tpu_report

_CONFIG = flags.DEFINE_string("config", None, "A preset: configs/*.toml.")
_HPARAMS = flags.DEFINE_string(
    "hparams", "", "Changes to the preset: a JSON object, or a file that holds one."
)
_TOPOLOGY = flags.DEFINE_string("topology", "v3-8", "v2-8, v3-8, v3-32, v4-8, v5e-4.")
_BATCH = flags.DEFINE_integer("train_batch_size", 0, "Instead of the preset's.")
_JSON = flags.DEFINE_bool("json", False, "One JSON line.")
_TEXT = flags.DEFINE_string("hlo_text", "", "Write the optimized module to this file.")
flags.mark_flag_as_required("config")


class Chip(NamedTuple):
    slice: str
    clock_hz: float
    cores: int  # that its name counts for each device TensorFlow sees
    hbm_gib: int


_CHIPS = {
    "v2": Chip("v2:2x2", 700e6, 1, 8),
    "v3": Chip("v3:2x2", 940e6, 1, 16),
    "v4": Chip("v4:2x2x1", 1050e6, 2, 32),
    "v5e": Chip("v5e:2x2", 1500e6, 1, 16),
    "v5litepod": Chip("v5e:2x2", 1500e6, 1, 16),
}


def tpu_cost() -> None:
    tpu_compiler.check_installed()
    name, number = _TOPOLOGY.value.split("-")
    chip = _CHIPS[name]
    config = presets.load(_CONFIG.value, _HPARAMS.value)
    dtype = "bfloat16" if config.compute_dtype == "auto" else config.compute_dtype
    config = dataclasses.replace(
        config,
        compute_dtype=dtype,
        train_batch_size=_BATCH.value or config.train_batch_size,
    )
    replicas = int(number) // chip.cores
    if not config.vocab_size:
        raise UserError("vocab_size")
    from tools import tpu_step

    rows = config.train_batch_size // replicas
    start = time.time()
    hlo = tpu_step.Exporter(config).hlo(rows)
    logging.info("exported in %.0f s", time.time() - start)
    compiled = tpu_compiler.compile_module(hlo, chip.slice)
    logging.info("compiled in %.0f s", time.time() - start)
    if _TEXT.value:
        with open(_TEXT.value, "w") as file:
            file.write(compiled.text)
    found = tpu_report.operations(compiled.text)
    cycles = sum(operation.cycles for operation in found)
    values = {
        "topology": _TOPOLOGY.value,
        "rows_per_core": rows,
        "hbm_gib_per_core": round(compiled.hbm_bytes / 2**30, 3),
        "tflop_per_core": round(compiled.flops / 1e12, 4),
        "gb_moved_per_core": round(compiled.bytes_accessed / 1e9, 3),
        "estimated_cycles": cycles,
        "estimated_seconds": round(cycles / chip.clock_hz, 5),
        "breakdown": tpu_report.breakdown(found),
        "top_operations": tpu_report.top_operations(found, 25),
    }
    if _JSON.value:
        print(json.dumps(values))
    else:
        print(json.dumps(values, indent=1))


if __name__ == "__main__":
    cli.run(tpu_cost)
