"""Who works in an output folder: one process at a time.

The folder holds a file that names its process. On the same host a living one keeps the
folder: a newcomer is refused. Whether a process of another host lives cannot be known,
and a lock would outlive a machine that was taken away. There the newcomer takes over,
and the older process stops at its next check, before it writes.
"""

import dataclasses
import datetime
import os
import pathlib
import socket
import uuid
from typing import Any

from common import files
from common.errors import UserError

CLAIM_FILE = "claim.json"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A process's claim of a folder; picklable, for its workers."""

    folder: str
    id: str

    def check(self) -> None:
        """Call it before writing to the folder.

        Raises:
          UserError: another process has taken the folder over, or it was removed.
        """
        holder = read(self.folder)
        if holder is None:
            raise UserError(
                f"{_path(self.folder)} is gone: the folder was removed or emptied "
                "while this run was writing to it. Give the same command again to "
                "begin anew"
            )
        if holder["id"] != self.id:
            raise UserError(
                f"{_describe(self.folder, holder)}: this process stops and leaves the "
                "folder to it. Let one command at a time write to a folder"
            )

    def release(self) -> None:
        """Ends the claim, unless another process has taken it over."""
        holder = read(self.folder)
        if holder is not None and holder["id"] == self.id:
            files.remove(_path(self.folder))


def take(folder: str, command: str) -> Claim:
    """Claims a folder; call it before anything in it is changed.

    Args:
      folder: made if it is missing.
      command: the program's name, for whoever is refused.

    Raises:
      UserError: a living process of this host has the folder.
    """
    check_free(folder)
    mine = {
        "command": command,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_start": _process_start(os.getpid()),
        "since": datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"
        ),
        "id": uuid.uuid4().hex,
    }
    files.makedirs(folder)
    files.write_json(_path(folder), mine)
    return Claim(folder, mine["id"])


def check_free(folder: str) -> None:
    """Refuses a folder that another living process of this host has.

    Raises:
      UserError: it names the process; or a foreign file has the claim's name.
    """
    holder = read(folder)
    if holder is None and files.exists(_path(folder)):
        raise UserError(
            f"{_path(folder)} was not written by a command of this project, which "
            "needs the name: move it, or choose another folder"
        )
    if holder is not None and _is_alive_here(holder):
        raise UserError(
            f"{_describe(folder, holder)}, and is still running: wait until it ends, "
            f"stop it (kill {holder['pid']}), or choose another folder"
        )


def read(folder: str) -> dict[str, Any] | None:
    """Who has the folder; None without a claim."""
    try:
        holder = files.read_json(_path(folder))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return holder if isinstance(holder, dict) and "id" in holder else None


def _path(folder: str) -> str:
    return os.path.join(folder, CLAIM_FILE)


def _describe(folder: str, holder: dict[str, Any]) -> str:
    return (
        f"{holder['command']}, process {holder['pid']} of {holder['host']}, works in "
        f"{folder} since {holder['since']}"
    )


def _is_alive_here(holder: dict[str, Any]) -> bool:
    """Whether it is another living process of this host."""
    pid = holder["pid"]
    if holder["host"] != socket.gethostname() or pid == os.getpid():
        return False
    # A number is given again, above all in containers, but not with the same start.
    return _process_start(pid) == holder["process_start"] is not None


def _process_start(pid: int) -> str | None:
    """When a process began, as the kernel counts; None if there is no such process."""
    proc = pathlib.Path("/proc")
    try:
        # After the command's name, which may contain anything: 20th is the start.
        state, *rest = (proc / f"{pid}/stat").read_text().rpartition(")")[2].split()
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None if proc.is_dir() else _without_proc(pid)
    return None if state == "Z" else f"{boot} {rest[18]}"


def _without_proc(pid: int) -> str | None:
    """As `_process_start`, on systems without /proc, where a number must do."""
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return str(pid)
