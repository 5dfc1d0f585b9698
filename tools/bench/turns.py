"""Systems in processes of their own that take turns, so that they can be compared.

What else the machine does falls on all of them alike; medians over the rounds count.
A script that compares systems is run again for each of them, to `serve` it.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from common.cli import UserError

Steps = Callable[[int], None]


class Seconds(NamedTuple):
    """Of a step."""

    clock: float
    cpu: float  # of all cores together


def serve(run: Steps) -> None:
    """Runs as many steps as each line of stdin says; answers with their seconds."""
    run(2)  # compiled, and warm
    print("ready", flush=True)
    for line in sys.stdin:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        run(int(line))
        clock, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        print(json.dumps([clock, cpu]), flush=True)


def measure(
    command: Sequence[str], systems: Sequence[str], steps: int, rounds: int
) -> dict[str, Seconds]:
    """System -> medians of a step's seconds.

    Args:
      command: a script and its flags; --system=NAME makes it `serve` one.
      steps: of each turn.

    Raises:
      UserError: a system ended; says how to find out why.
    """
    processes = {system: _start(command, system) for system in systems}
    found = {system: [] for system in systems}
    for _ in range(rounds):
        for system, process in processes.items():
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
            found[system].append(json.loads(_answer(command, system, process)))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return {
        system: Seconds(
            *(statistics.median(x) / steps for x in zip(*turns, strict=True))
        )
        for system, turns in found.items()
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
            f"{system} ended: python {' '.join(command[:2])} --system='{system}' says "
            "why (PyTorch and transformers: pip install 'korean-electra-tf[verify]')"
        )
    return line
