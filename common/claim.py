"""Which process trains in a run's folder: the one that began last.

A lock would outlive the machine that was taken away with it, and keep its successor
out. So the newcomer says who it is, and whoever finds another's name there stops.
"""

import datetime
import os
import socket
import uuid

from common import files
from common.cli import UserError

CLAIM_FILE = "trainer.json"


class Claim:
    """This process's claim of a run's folder, from its beginning on."""

    def __init__(self, model_dir: str):
        now = datetime.datetime.now(datetime.timezone.utc)
        self._model_dir = model_dir
        self._mine = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": now.isoformat(timespec="seconds"),
            "id": uuid.uuid4().hex,
        }
        files.write_json(self._path, self._mine)

    @property
    def _path(self) -> str:
        return os.path.join(self._model_dir, CLAIM_FILE)

    def check(self) -> None:
        """Before anything is written to the folder.

        Raises:
          UserError: another process trains there now, or the folder was removed.
        """
        found = files.read_json(self._path) if files.exists(self._path) else None
        if found == self._mine:
            return
        if found is None:
            raise UserError(
                f"{self._path} is gone: the folder was removed or emptied while this "
                "run was writing to it. Give the same command again to begin anew"
            )
        raise UserError(
            f"process {found['pid']} of {found['host']} trains in {self._model_dir} "
            f"since {found['since']}: this one stops and leaves the folder to it. Let "
            "one run at a time have a --model_dir"
        )
