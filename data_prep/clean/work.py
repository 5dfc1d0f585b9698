"""A run of clean_corpus as its workers know it: settings, records, files."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

from common import files
from common.output_folder import WorkLog
from data_prep.clean.settings import CleanSettings

REJECTS = "rejects"


@dataclasses.dataclass(frozen=True)
class Work:
    """The settings of a run, and what it has finished; picklable."""

    settings: CleanSettings
    log: WorkLog

    def path(self, *names: str) -> str:
        """Path of an intermediate file."""
        return os.path.join(self.log.intermediate, "-".join(names))

    def output_path(self, *names: str) -> str:
        """Path of a file of the result."""
        return os.path.join(self.log.output, *names)

    @property
    def excluded_texts(self) -> str:
        return self.path("excluded.txt")

    def text(self, phase: str, part: str) -> str:
        """A part as a phase left it, in the format of a shard."""
        return files.read_text(self.path(phase, part + ".txt"))

    def records(self, phase: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """What a phase recorded of these pieces of work."""
        return [self.log.done(f"{phase}-{name}") or {} for name in names]

    def write_rejects(self, path: str, rejects: Sequence[dict[str, Any]]) -> None:
        """Writes JSON rows with a reason and a text."""
        rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in rejects)
        with files.atomic_writer(path) as handle:
            handle.write("".join(rows).encode("utf-8", "backslashreplace"))
