"""Claims of processes that are not there."""

import os

from common import files
from common.claim import CLAIM_FILE


def take_over(folder: str) -> None:
    """Claims a folder for a process of another host, as a run there would."""
    holder = {
        "command": "run_pretraining",
        "host": "vm-2",
        "pid": 7,
        "process_start": None,
        "since": "2026-01-01T00:00:00+00:00",
        "id": "another",
    }
    files.write_json(os.path.join(folder, CLAIM_FILE), holder)
