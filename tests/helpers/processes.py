"""Starts Python commands of this checkout, awaits lines of their logs, kills them."""

import contextlib
import json
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, NamedTuple
from unittest import mock

from helpers import PYTHONPATH, ROOT

TIMEOUT = 300.0  # seconds


class Ended(NamedTuple):
    """A process that has ended. A negative code is the signal that killed it."""

    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return self.out + self.err


def environment(**changes: str | None) -> dict[str, str]:
    """This process's, with this checkout's modules and without GPUs.

    Args:
      changes: variables to set, or to remove (None).
    """
    ours = {"PYTHONPATH": PYTHONPATH, "CUDA_VISIBLE_DEVICES": "-1"}
    ours |= {"TF_CPP_MIN_LOG_LEVEL": "2"}  # hides the notes of TensorFlow's C++
    merged = {**os.environ, **ours, **changes}
    return {name: value for name, value in merged.items() if value is not None}


class Process:
    """A running process, the leader of its own process group.

    Threads read its output while it runs, so a test can wait for a line, and a full
    pipe never blocks the process.
    """

    def __init__(
        self,
        handle: subprocess.Popen | multiprocessing.Process,
        out: IO[str],
        err: IO[str],
    ):
        self._handle, self.pid = handle, handle.pid
        self._texts = {out: "", err: ""}
        self._open = set(self._texts)
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=[stream], daemon=True)
            for stream in self._texts
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._texts[stream] += line
                    self._changed.notify_all()
        with self._changed:
            self._open.remove(stream)
            self._changed.notify_all()

    @property
    def output(self) -> str:
        """All that was written so far."""
        return "".join(self._texts.values())

    def wait_for(self, text: str, count: int = 1, timeout: float = TIMEOUT) -> None:
        """Until `text` was written `count` times; fails if the process ends first."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.output.count(text) >= count or not self._open, timeout
            )
        if self.output.count(text) < count:
            raise AssertionError(f"{text!r} not written {count} times: {self.kill()}")

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone."""
        os.kill(self.pid, number)

    def kill(self) -> Ended:
        """Kills the whole process group."""
        self._handle.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self, timeout: float = TIMEOUT) -> Ended:
        """Until the process ends; fails, and kills its group, after `timeout`."""
        if isinstance(self._handle, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._handle.wait(timeout)
            code = self._handle.returncode
        else:
            self._handle.join(timeout)
            code = self._handle.exitcode
        if code is None:
            raise AssertionError(f"no end after {timeout} s: {self.kill()}")
        for reader in self._readers:
            reader.join(timeout)
        return Ended(code, *self._texts.values())


@contextlib.contextmanager
def running(
    *argv: Any,
    env: dict[str, str] | None = None,
    cwd: pathlib.Path = ROOT,
    warm: bool = False,
) -> Iterator[Process]:
    """Python with these arguments; whatever still runs in the end is killed.

    Args:
      warm: fork a process that has imported TensorFlow, which takes 4 s of a core.
        Only from one thread: multiprocessing reads an exit code once.
    """
    words = [str(word) for word in argv]
    start = _fork if warm else _start
    process = start(words, environment() if env is None else env, str(cwd))
    try:
        yield process
    finally:
        process.kill()


def run(*argv: Any, timeout: float = TIMEOUT, **options: Any) -> Ended:
    """Python with these arguments, to its end; options as in `running`."""
    with running(*argv, **options) as process:
        return process.wait(timeout)


@contextlib.contextmanager
def cluster(commands: list[list[str]]) -> Iterator[list[Process]]:
    """Python with each of these arguments, as the workers of one cluster."""
    sockets = [socket.create_server(("localhost", 0)) for _ in commands]
    workers = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    with contextlib.ExitStack() as stack:
        started = []
        for index, command in enumerate(commands):
            task = {"type": "worker", "index": index}
            config = {"cluster": {"worker": workers}, "task": task}
            env = environment(TF_CONFIG=json.dumps(config))
            process = running(*command, env=env, warm=True)
            started.append(stack.enter_context(process))
        yield started


def check(*argv: Any, **options: Any) -> Ended:
    """As `run`; fails unless the exit code is 0."""
    ended = run(*argv, **options)
    assert ended.code == 0, f"{argv}\n{ended.output}"
    return ended


def _start(argv: list[str], env: dict[str, str], cwd: str) -> Process:
    popen = subprocess.Popen(
        [sys.executable, *argv],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    return Process(popen, popen.stdout, popen.stderr)


def _fork(argv: list[str], env: dict[str, str], cwd: str) -> Process:
    """The forking process is started by the first call, and ends with this one."""
    multiprocessing.set_forkserver_preload(["tensorflow"])
    with mock.patch.dict(os.environ, environment()):
        multiprocessing.forkserver.ensure_running()
    context = multiprocessing.get_context("forkserver")
    pipes = [context.Pipe(duplex=False) for _ in ("stdout", "stderr")]
    writers = [writer for _, writer in pipes]
    process = context.Process(target=_execute, args=(argv, env, cwd, *writers))
    process.start()
    for writer in writers:
        writer.close()
    streams = [
        os.fdopen(os.dup(reader.fileno()), encoding="utf-8", errors="replace")
        for reader, _ in pipes
    ]
    return Process(process, *streams)


def _execute(
    argv: list[str],
    env: dict[str, str],
    cwd: str,
    out: multiprocessing.connection.Connection,
    err: multiprocessing.connection.Connection,
) -> None:
    """What `python ARGV` does, for -m, -c and files."""
    os.setsid()
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    err.close()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    elif argv[0] == "-c":
        sys.argv = ["-c", *argv[2:]]
        exec(compile(argv[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")
