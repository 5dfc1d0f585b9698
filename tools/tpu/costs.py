"""What a training step costs on a TPU: compiles it for any batch size, as a table."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from absl import logging

from common.errors import UserError
from electra_tf.config import PretrainingConfig
from electra_tf.pretrain import flops
from tools.tpu import compiler, operations, step
from tools.tpu.topology import Topology

# Weights and the optimizer's two slots, float32.
_STATE_BYTES = 3 * 4

_SPEED = {
    "arithmetic": "{tflop_per_core:.3g} TFLOP per core, of which the model needs "
    "{model_tflop_per_core:.3g}",
    "memory traffic": "{gb_moved_per_core:.4g} GB per core",
    "estimated step": "{estimated_seconds:.3g} s ({estimated_cycles:,} cycles)",
    "share of peak": "{mfu:.1%} of {peak_tflops:.1f} TFLOP/s",
    "steps per day": "{steps_per_day:,.0f}",
    "whole run": "{days:.3g} days for {num_train_steps:,} steps",
    "all-reduces": "{all_reduces}, not estimated; at the links' bandwidth at least "
    "{all_reduce_seconds:.3g} s more",
    "not estimated": "{unestimated}; at least {unestimated_seconds:.3g} s more",
}
_LOOPS = {"counted once": "{loops} loops, so a step takes longer"}


class StepCosts:
    """A config's step on one topology; each number of rows is compiled once."""

    def __init__(self, config: PretrainingConfig, topology: Topology, top: int = 10):
        """Lists `top` operations; config.compute_dtype must not be "auto"."""
        self._config, self._topology, self._top = config, topology, top
        self._parameters = step.num_parameters(config)
        self._exporter: step.Exporter | None = None
        self._known: dict[int, dict[str, Any]] = {}

    def at(self, rows: int) -> dict[str, Any]:
        """The costs with so many rows a core; tpu_cost prints them as JSON."""
        if rows not in self._known:
            self._known[rows] = self._setting(rows) | self._needs(rows)
        return self._known[rows]

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
        state, start = _STATE_BYTES * self._parameters, time.monotonic()
        try:
            if state > self._topology.chip.hbm_gib * 2**30:
                raise compiler.DoesNotFitError(state)
            return self._values(rows, self._compiled(rows))
        except compiler.DoesNotFitError as error:
            return {"fits": False, "hbm_gib_per_core": error.hbm_bytes / 2**30}
        finally:
            logging.info("%d rows: %.0f s", rows, time.monotonic() - start)

    def _compiled(self, rows: int) -> compiler.Compiled:
        device = self._topology.chip.compiled_for
        replicas = self._topology.compiled_replicas
        logging.info("compiling %d rows for %s; takes some minutes", rows, device[0])
        self._exporter = self._exporter or step.Exporter(self._config, replicas)
        hlo = self._exporter.hlo(rows)
        compiled = compiler.compile_module(hlo, replicas, *device)
        unsuitable = operations.unsuitable(compiled.text)
        if unsuitable:
            raise UserError(
                f"a TPU cannot run these operations of the step: {unsuitable}"
            )
        return compiled

    def _values(self, rows: int, compiled: compiler.Compiled) -> dict[str, Any]:
        config, topology, chip = self._config, self._topology, self._topology.chip
        parsed = operations.parse(compiled.text)
        summary = operations.summary(parsed)
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
            "top_operations": operations.costliest(parsed, self._top),
        }


def largest_multiple_of_8(fits: Callable[[int], bool], start: int) -> int:
    """The largest number that fits, 0 if none does; `start` is a multiple of 8 too."""
    low, high = 0, start
    while fits(high):
        low, high = high, 2 * high
    while high - low > 8:
        middle = (low + high) // 16 * 8
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def table(values: dict[str, Any]) -> str:
    """The values of `StepCosts.at` as text."""
    lines = [
        f"{values['topology']}: {values['replicas']} replicas, "
        f"{values['rows_per_core']} rows each, {values['compute_dtype']}, "
        f"{values['parameters']:,} parameters",
        f"  HBM per core      {values['hbm_gib_per_core']:.4g} GiB of "
        f"{values['hbm_gib']}: {'fits' if values['fits'] else 'DOES NOT FIT'}",
    ]
    if "estimated_cycles" in values:
        lines += _speed(values) + _shares(values) + _costliest(values)
    return "\n".join(lines)


def _speed(values: dict[str, Any]) -> list[str]:
    unestimated = ", ".join(
        f"{kind} writes {size:.3g} GB"
        for kind, size in values["unestimated_gb"].items()
    )
    shown = values | {"unestimated": unestimated or "nothing"}
    forms = _SPEED | (_LOOPS if values["loops"] else {})
    return [f"  {name:<18}{form.format_map(shown)}" for name, form in forms.items()]


def _shares(values: dict[str, Any]) -> list[str]:
    total = values["estimated_cycles"]
    return ["", f"  {'part':<20}{'share':>7}{'seconds':>10}{'cycles':>16}"] + [
        f"  {part:<20}{cycles / total:>7.1%}"
        f"{values['estimated_seconds'] * cycles / total:>10.3g}{cycles:>16,}"
        for part, cycles in values["breakdown"].items()
    ]


def _costliest(values: dict[str, Any]) -> list[str]:
    return ["", "  costliest operations"] + [
        f"  {operation['cycles'] / values['estimated_cycles']:>6.1%} "
        f"{operation['count']:>3} x {operation['kind']} {operation['shape'][:60]} "
        f"{operation['name'][-70:]}"
        for operation in values["top_operations"]
    ]
