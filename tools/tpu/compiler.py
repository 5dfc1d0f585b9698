"""Runs the TPU's compiler on any machine: HLO -> the compiled module and its costs.

libtpu has the compiler, and jax can call it without a device. `compile_module` runs it
in a process of its own, because TensorFlow has another runtime and because a module
that the compiler rejects may abort the process.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from common.errors import UserError

# Skips the metadata server; lets several processes load the library.
_ENVIRONMENT = {"TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
_TOO_MUCH = re.compile(r"\(([\d.]+)([KMGT])\) exceeds available HBM")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Compiled(NamedTuple):
    """A compiled step and its costs, for one core."""

    text: str  # optimized HLO, with the compiler's cycle estimates
    hbm_bytes: int  # arguments, results that are not updates of arguments, temporaries
    flops: float
    bytes_accessed: float


class DoesNotFitError(Exception):
    """The module needs more memory than a core has."""

    def __init__(self, hbm_bytes: float):
        super().__init__(f"{hbm_bytes / 2**30:.2f} GiB")
        self.hbm_bytes = hbm_bytes


def check_installed() -> None:
    """Raises a UserError if the extra is missing."""
    missing = [m for m in ("jax", "libtpu") if not importlib.util.find_spec(m)]
    if missing:
        raise UserError(
            f"the TPU's compiler needs {' and '.join(missing)}: "
            "pip install 'korean-electra-tf[aot]'"
        )


def compile_module(
    hlo: bytes, replicas: int, topology: str, chip_config: str = ""
) -> Compiled:
    """Compiles for the first devices of a topology.

    Args:
      hlo: an unoptimized HloModuleProto, of one replica.
      replicas: the number of devices that run it together.
      topology: libtpu's name, such as "v3:2x2".
      chip_config: libtpu's name; "megacore" makes one device of a chip's two cores.

    Raises:
      DoesNotFitError: the core's memory is too small.
      UserError: the compiler failed for another reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "module")
        with open(path, "wb") as file:
            file.write(hlo)
        module = [sys.executable, "-m", "tools.tpu.compiler"]
        command = [*module, path, str(replicas), topology, chip_config]
        environment = {**os.environ, **_ENVIRONMENT}
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        too_much = _TOO_MUCH.search(run.stderr)
        if run.returncode and too_much:
            raise DoesNotFitError(float(too_much[1]) * _UNITS[too_much[2]])
        if run.returncode:
            raise UserError(f"the compiler for {topology} failed: {run.stderr[-2000:]}")
        with open(path + ".json", encoding="utf-8") as file:
            return Compiled(**json.load(file))


def _compile(path: str, replicas: int, topology: str, chip_config: str) -> None:
    """Writes the fields of `Compiled` to PATH.json."""
    import numpy as np
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax._src.lib.mlir import ir
    from jax.experimental import topologies
    from jaxlib._jax import DeviceList

    chips = {"chip_config_name": chip_config} if chip_config else {}
    description = topologies.get_topology_desc(
        topology_name=topology, platform="tpu", **chips
    )
    devices = tuple(description.devices[:replicas])
    ids = np.array([[device.id] for device in devices])
    options = xla_client.CompileOptions()
    options.num_replicas, options.num_partitions = replicas, 1
    options.device_assignment = xla_client.DeviceAssignment.create(ids)
    context = mlir.make_ir_context()
    context.allow_unregistered_dialects = True
    with open(path, "rb") as file, context:
        module = ir.Module.parse(xla_client._xla.mlir.hlo_to_stablehlo(file.read()))
        _as_for_a_tpu(module)
        client = devices[0].client
        executable = client.compile(module, DeviceList(devices), options)
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(_numbers(executable)._asdict(), file)


def _as_for_a_tpu(module: Any) -> None:
    """Changes what TensorFlow's bridge wrote for the CPU to what it writes for a TPU.

    Its copies have no StableHLO form, and the compiler adds those that it needs. The
    bridge chooses Philox for CPUs, and for TPUs the default: the chip's own generator,
    whose state is the key and one word of the counter.
    """
    from jax._src.lib.mlir import ir
    from jax._src.lib.mlir.dialects import hlo

    by_name: dict[str, list] = {"mhlo.copy": [], "stablehlo.rng_bit_generator": []}

    def collect(operation: Any) -> Any:
        by_name.get(operation.name, []).append(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(collect)
    for copy in by_name["mhlo.copy"]:
        copy.results[0].replace_all_uses_with(copy.operands[0])
        copy.erase()
    default = hlo.RngAlgorithmAttr.get("DEFAULT")
    for philox in by_name["stablehlo.rng_bit_generator"]:
        with ir.InsertionPoint(philox), philox.location:
            indices = (ir.DenseI64ArrayAttr.get([i]) for i in (0, 2, 1))
            state = hlo.slice(philox.operands[0], *indices)
            state_after, bits = philox.results
            drawn = hlo.RngBitGeneratorOp(state.type, bits.type, default, state)
        bits.replace_all_uses_with(drawn.results[1])
        state_after.replace_all_uses_with(philox.operands[0])  # nothing draws from it
        philox.erase()


def _numbers(executable: Any) -> Compiled:
    memory = executable.get_compiled_memory_stats()
    analysis = executable.cost_analysis()
    hbm_bytes = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes  # variables are updated in place
        + memory.temp_size_in_bytes
    )
    text = executable.hlo_modules()[0].to_string()
    return Compiled(text, hbm_bytes, analysis["flops"], analysis["bytes accessed"])


if __name__ == "__main__":
    _compile(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
