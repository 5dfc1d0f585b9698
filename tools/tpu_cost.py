"""Memory and time of a training step on a TPU, without a TPU.

Compiles the training step, with one replica's share of the batch, by the TPU's own
compiler for the devices of one host. Memory and arithmetic are exact; the time is the
compiler's estimate, without the all-reduce of the gradients, for which the least time
at the links' bandwidth is shown. Takes one to three minutes of a core and needs:
pip install 'korean-electra-tf[aot]'. Exit code 2: the step does not fit into memory.

  python -m tools.tpu_cost --config=configs/koelectra_base_v3.toml --topology=v3-8
  python -m tools.tpu_cost --config=configs/demo.toml --topology=v5e-4 \\
      --hparams='{"vocab_size": 8000}' --max_batch
"""

import dataclasses
import json
import sys

from common import cli
from common.cli import flag
from common.errors import UserError
from electra_tf import config_files
from electra_tf.config import PretrainingConfig
from tools.tpu import compiler
from tools.tpu import topology as tpu_topology

EXIT_DOES_NOT_FIT = 2


@dataclasses.dataclass(frozen=True)
class Settings:
    """Step and TPU."""

    config: str = flag("", "A preset: configs/*.toml.", required=True, reads=True)
    hparams: str = flag(
        "", "Changes to the preset: a JSON object, or a file with one.", reads=True
    )
    topology: str = flag("v3-8", "The TPU: v2-8, v3-8, v3-32, v4-8, v5e-4, ...")
    train_batch_size: int = flag(
        0, "Batch size of all replicas together (0: the preset's).", at_least=0
    )
    max_batch: bool = flag(
        False, "Find the largest multiple of 8 rows a core that fits into memory."
    )
    top: int = flag(10, "Number of costliest operations to list.", at_least=0)
    json: bool = flag(False, "Print one line of JSON instead of a table.")


def _config(settings: Settings) -> PretrainingConfig:
    """The preset with its changes, as a TPU runs it."""
    config = config_files.load(settings.config, settings.hparams)
    if not config.vocab_size:
        raise UserError(
            f"{settings.config} takes vocab_size from the data: pass it, such as "
            """--hparams='{"vocab_size": 32000}'"""
        )
    if config.gradient_accumulation_steps > 1:
        raise UserError(
            f"gradient_accumulation_steps={config.gradient_accumulation_steps}, but "
            "the compiler counts a loop once: pass "
            """--hparams='{"gradient_accumulation_steps": 1}' and the batch of one """
            "piece"
        )
    is_auto = config.compute_dtype == "auto"
    return dataclasses.replace(
        config,
        compute_dtype="bfloat16" if is_auto else config.compute_dtype,
        train_batch_size=settings.train_batch_size or config.train_batch_size,
    )


def tpu_cost(settings: Settings) -> None:
    topology = tpu_topology.parse(settings.topology)
    config = _config(settings)
    rows = topology.rows(config.train_batch_size)
    compiler.check_installed()
    from tools.tpu import costs as step_costs  # imports TensorFlow

    costs = step_costs.StepCosts(config, topology, settings.top)
    if settings.max_batch:
        start = max(8, rows // 8 * 8)
        rows = step_costs.largest_multiple_of_8(
            lambda count: costs.at(count)["fits"], start
        )
        rows = rows or 8
    values = costs.at(rows)
    print(json.dumps(values) if settings.json else step_costs.table(values))
    if not values["fits"]:
        sys.exit(EXIT_DOES_NOT_FIT)


if __name__ == "__main__":
    cli.run(tpu_cost)
