"""Stages of data_prep as their users run them."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from helpers import TESTS, processes

Stage = Callable[..., tuple[int, str]]


@pytest.fixture(scope="session")
def run_stage() -> Iterator[Stage]:
    """run_stage("train_vocab", input_dir=..., overwrite=True) -> (exit code, log)."""
    servers: dict[str, subprocess.Popen] = {}

    def run(stage: str, **options: object) -> tuple[int, str]:
        if stage not in servers:
            servers[stage] = subprocess.Popen(
                [sys.executable, str(TESTS / "helpers" / "stage_server.py"), stage],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=processes.environment(),
            )
        options = {"num_workers": 1, **options}
        if stage == "verify":
            del options["num_workers"]
        args = [f"--{name}={value}" for name, value in options.items()]
        server = servers[stage]
        server.stdin.write(json.dumps(args) + "\n")
        server.stdin.flush()
        code, log = json.loads(server.stdout.readline())
        return code, log

    yield run
    for server in servers.values():
        server.stdin.close()
        server.wait(30)


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Callable[[str, str | bytes], str]:
    """Writes a file under the test's folder; returns its path."""

    def write_file(name: str, content: str | bytes) -> str:
        data = content.encode("utf-8") if isinstance(content, str) else content
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    return write_file
