"""What a training step costs on a TPU that is not there.

Exports the step that trains, with one replica's share of the batch, and compiles it
with the TPU's own compiler for the devices of one host: memory and arithmetic are the
compiler's, the time is its estimate. It has none for the all-reduce of the gradients,
whose least time follows from their size and the links' bandwidth. Needs the extra
`aot`, one to three minutes of a core, and no TPU.

  python -m tools.tpu_cost --config=configs/koelectra_base_v3.toml --topology=v3-8
  python -m tools.tpu_cost --config=configs/demo.toml --topology=v5e-4 \\
      --hparams='{"vocab_size": 8000}' --max_batch

Exit code 2: the step does not fit into the memory.
"""

import dataclasses
import json
import sys

from absl import flags

from common import cli
from common.cli import UserError
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from tools.tpu import compiler, report
from tools.tpu import costs as step_costs
from tools.tpu import topology as tpu_topology

_CONFIG = flags.DEFINE_string("config", None, "A preset: configs/*.toml.")
_HPARAMS = flags.DEFINE_string(
    "hparams", "", "Changes to the preset: a JSON object, or a file that holds one."
)
_TOPOLOGY = flags.DEFINE_string(
    "topology", "v3-8", "The TPU: v2-8, v3-8, v3-32, v4-8, v5e-4, v5litepod-8, ..."
)
_TRAIN_BATCH_SIZE = flags.DEFINE_integer(
    "train_batch_size", 0, "Of all replicas together; 0: the config's.", lower_bound=0
)
_MAX_BATCH = flags.DEFINE_bool(
    "max_batch", False, "Find the most rows a core, in eights, that fit."
)
_TOP = flags.DEFINE_integer("top", 10, "How many of the costliest operations to list.")
_JSON = flags.DEFINE_bool("json", False, "Print one JSON line instead of a table.")
flags.mark_flag_as_required("config")

EXIT_DOES_NOT_FIT = 2


def _settings() -> PretrainingConfig:
    """The preset with the changes given, as it is on a TPU."""
    config = config_files.load(_CONFIG.value, _HPARAMS.value)
    if not config.vocab_size:
        raise UserError(
            f"{_CONFIG.value} takes vocab_size from the data: say it, such as "
            """--hparams='{"vocab_size": 32000}'"""
        )
    if config.gradient_accumulation_steps > 1:
        raise UserError(
            f"gradient_accumulation_steps={config.gradient_accumulation_steps}: the "
            "compiler counts a loop once. Ask for one piece: "
            """--hparams='{"gradient_accumulation_steps": 1}' and its batch"""
        )
    is_auto = config.compute_dtype == "auto"
    return dataclasses.replace(
        config,
        compute_dtype="bfloat16" if is_auto else config.compute_dtype,
        train_batch_size=_TRAIN_BATCH_SIZE.value or config.train_batch_size,
    )


def tpu_cost() -> None:
    topology = tpu_topology.parse(_TOPOLOGY.value)
    config = _settings()
    rows = topology.rows(config.train_batch_size)
    compiler.check_installed()
    costs = step_costs.StepCosts(config, topology, _TOP.value)
    if _MAX_BATCH.value:
        start = max(8, rows // 8 * 8)
        rows = step_costs.largest_multiple_of_8(costs.fits, start) or 8
    values = costs.at(rows)
    print(json.dumps(values) if _JSON.value else report.table(values))
    if not values["fits"]:
        sys.exit(EXIT_DOES_NOT_FIT)


if __name__ == "__main__":
    cli.run(tpu_cost)
