"""A run of clean_corpus as its workers know it: settings, records, files."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

from common import files
from data_prep.clean.settings import CleanSettings
from data_prep.stages import resume

WORK_FOLDER = "_work"
REJECTS = "rejects"


@dataclasses.dataclass(frozen=True)
class Work:
    """The settings of a run, and what it has finished; picklable."""

    settings: CleanSettings
    log: resume.WorkLog

    def path(self, *names: str) -> str:
        """Path of an intermediate file."""
        return os.path.join(self.log.output_dir, WORK_FOLDER, "-".join(names))

    def output_path(self, *names: str) -> str:
        """Path of a file that stays."""
        return os.path.join(self.log.output_dir, *names)

    @property
    def excluded_texts(self) -> str:
        return self.path("excluded.txt")

    def text(self, phase: str, part: str) -> str:
        """A part as a phase left it, in the format of a shard."""
        return files.read_text(self.path(phase, part + ".txt"))

    def records(self, phase: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """What a phase recorded of these pieces of work."""
        return [self.log.done(f"{phase}-{name}") or {} for name in names]

    def finish(self, name: str, paths: Sequence[str], **payload: Any) -> None:
        """Records a piece of work whose files are complete."""
        root = self.log.output_dir
        entries = [
            {"name": os.path.relpath(path, root), "bytes": files.size(path)}
            for path in paths
        ]
        self.log.finish(name, {"entries": entries, **payload})

    def write_rejects(self, name: str, rejects: Sequence[dict[str, Any]]) -> str:
        """Writes JSON rows with a reason and a text to the folder of rejects."""
        files.makedirs(self.output_path(REJECTS))
        path = self.output_path(REJECTS, name)
        rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in rejects)
        with files.atomic_writer(path) as handle:
            handle.write("".join(rows).encode("utf-8", "backslashreplace"))
        return path

    def remove_intermediate(self) -> None:
        folder = os.path.join(self.log.output_dir, WORK_FOLDER)
        if files.exists(folder):
            files.remove(folder)
