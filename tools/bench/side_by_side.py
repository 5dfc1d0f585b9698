"""Compares systems that run in processes of their own and take turns.

Other load on the machine then slows all of them alike; the median of the turns counts.
A benchmark runs itself again for each system with --system=NAME, to `serve` it.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from common.cli import flag
from common.errors import UserError

Steps = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Turns:
    """Measurement."""

    steps: int = flag(5, "Steps of a system's turn.", at_least=1)
    rounds: int = flag(5, "Turns of each system.", at_least=1)
    threads: int = flag(0, "Threads of each system (0: as many as cores).", at_least=0)
    system: str = flag("", "For internal use: run this system as told on stdin.")


class Seconds(NamedTuple):
    """Time of a step."""

    clock: float
    cpu: float  # of all cores together


def compare(
    module: str,
    network: Any,
    turns: Turns,
    systems: Sequence[str],
    steps: Callable[[str], Steps],
) -> dict[str, Seconds]:
    """Measures the systems; with --system, serves that one and exits.

    Args:
      module: the benchmark's, which is run for each system with the same settings.
      network: a dataclass of its other settings.
      steps: sets up a system by its name.
    """
    if not turns.system:
        given = dataclasses.asdict(network) | dataclasses.asdict(turns)
        flags = [f"--{name}={given[name]}" for name in given if name != "system"]
        return measure(["-m", module, *flags], systems, turns)
    if turns.threads:
        _limit_threads(turns.threads)
    serve(steps(turns.system))
    sys.exit()


def _limit_threads(count: int) -> None:
    """Limits TensorFlow and PyTorch, before either computes."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)  # PyTorch is not imported yet


def serve(run: Steps) -> None:
    """Runs as many steps as a line of stdin says; answers with the seconds of one."""
    run(2)  # compiles and warms up
    print("ready", flush=True)
    for line in sys.stdin:
        count, begin, begin_cpu = int(line), time.perf_counter(), time.process_time()
        run(count)
        clock, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        print(json.dumps([clock / count, cpu / count]), flush=True)


def measure(
    command: Sequence[str], systems: Sequence[str], turns: Turns
) -> dict[str, Seconds]:
    """System -> medians of a step's seconds.

    Args:
      command: Python's arguments; with --system=NAME they `serve` a system.

    Raises:
      UserError: a system ended; says how to see the reason.
    """
    processes = {system: _start(command, system) for system in systems}
    answers = {system: [] for system in systems}
    for _ in range(turns.rounds):
        for system, process in processes.items():
            process.stdin.write(f"{turns.steps}\n")
            process.stdin.flush()
            answers[system].append(json.loads(_answer(command, system, process)))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return {
        system: Seconds(*map(statistics.median, zip(*of_steps, strict=True)))
        for system, of_steps in answers.items()
    }


def _start(command: Sequence[str], system: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, *command, f"--system={system}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    _answer(command, system, process)
    return process


def _answer(command: Sequence[str], system: str, process: subprocess.Popen) -> str:
    line = process.stdout.readline()
    if not line:
        raise UserError(
            f"{system} ended; for the reason run: python {' '.join(command[:2])} "
            f"--system='{system}' (PyTorch and transformers are installed by: "
            "pip install 'korean-electra-tf[verify]')"
        )
    return line
