"""A training step's costs on a TPU, compiled for as many batch sizes as are asked."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from absl import logging

from common.cli import UserError
from electra_tf.config import PretrainingConfig
from electra_tf.pretrain import flops
from tools.tpu import compiler, report, step
from tools.tpu.topology import Topology

# Weights and the optimizer's two slots, float32.
_STATE_BYTES = 3 * 4


class StepCosts:
    """A config's step on one topology; each number of rows is compiled once."""

    def __init__(self, config: PretrainingConfig, topology: Topology, top: int = 10):
        """`top` operations are listed; config.compute_dtype is not "auto"."""
        self._config, self._topology, self._top = config, topology, top
        self._parameters = step.num_parameters(config)
        self._exporter: step.Exporter | None = None
        self._known: dict[int, dict[str, Any]] = {}

    def at(self, rows: int) -> dict[str, Any]:
        """The report's values with so many rows a core."""
        if rows not in self._known:
            self._known[rows] = self._setting(rows) | self._needs(rows)
        return self._known[rows]

    def fits(self, rows: int) -> bool:
        return self.at(rows)["fits"]

    def _setting(self, rows: int) -> dict[str, Any]:
        topology = self._topology
        return {
            "topology": topology.name,
            "replicas": topology.replicas,
            "train_batch_size": rows * topology.replicas,
            "rows_per_core": rows,
            "compute_dtype": self._config.compute_dtype,
            "parameters": self._parameters,
            "hbm_gib": topology.chip.hbm_gib,
        }

    def _needs(self, rows: int) -> dict[str, Any]:
        state = _STATE_BYTES * self._parameters
        if state > self._topology.chip.hbm_gib * 2**30:
            return _does_not_fit(state)
        start = time.monotonic()
        try:
            compiled = self._compiled(rows)
        except compiler.DoesNotFitError as error:
            return _does_not_fit(error.hbm_bytes)
        finally:
            logging.info("%d rows: %.0f s", rows, time.monotonic() - start)
        return self._values(rows, compiled)

    def _compiled(self, rows: int) -> compiler.Compiled:
        device = self._topology.chip.compiled_for
        replicas = self._topology.compiled_replicas
        logging.info("compiling %d rows for %s, some minutes", rows, device[0])
        self._exporter = self._exporter or step.Exporter(self._config, replicas)
        hlo = self._exporter.hlo(rows)
        compiled = compiler.compile_module(hlo, replicas, *device)
        unsuitable = report.unsuitable(compiled.text)
        if unsuitable:
            raise UserError(f"the step holds what a TPU cannot run: {unsuitable}")
        return compiled

    def _values(self, rows: int, compiled: compiler.Compiled) -> dict[str, Any]:
        config, topology, chip = self._config, self._topology, self._topology.chip
        found = report.operations(compiled.text)
        summary = report.summary(found)
        seconds = summary["estimated_cycles"] / chip.clock_hz
        one = dataclasses.replace(config, train_batch_size=rows)
        model_flops = flops.train_step_flops(one)
        peak = flops.peak(topology.name, config.compute_dtype)
        unestimated = 1e9 * sum(summary["unestimated_gb"].values())
        return {
            "fits": True,
            "hbm_gib_per_core": compiled.hbm_bytes / 2**30,
            "tflop_per_core": compiled.flops / 1e12,
            "model_tflop_per_core": model_flops / 1e12,
            "gb_moved_per_core": compiled.bytes_accessed / 1e9,
            "estimated_seconds": seconds,
            "peak_tflops": peak / 1e12,
            "mfu": model_flops / seconds / peak,
            "steps_per_day": 86_400 / seconds,
            "num_train_steps": config.num_train_steps,
            "days": config.num_train_steps * seconds / 86_400,
            "all_reduce_seconds": topology.all_reduce_seconds(4 * self._parameters),
            "unestimated_seconds": unestimated / chip.hbm_bytes_per_second,
            **summary,
            "top_operations": report.top_operations(found, self._top),
        }


def _does_not_fit(hbm_bytes: float) -> dict[str, Any]:
    return {"fits": False, "hbm_gib_per_core": hbm_bytes / 2**30}


def largest_multiple_of_8(fits: Callable[[int], bool], start: int) -> int:
    """The largest number that fits, 0 if none does; `start` is a multiple of 8 too."""
    low, high = 0, start
    while fits(high):
        low, high = high, 2 * high
    while high - low > 8:
        middle = (low + high) // 16 * 8
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
