"""Stages that resume where an interrupted run stopped.

While a stage works, its output folder contains a folder `_progress`: first the stage
and its settings (config.json), then one record for each finished piece of work, written
after the files of that piece. The manifest, written last, replaces it.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

from absl import logging

from common import files
from common.cli import UserError, flag
from data_prep.stages import manifest

FOLDER = "_progress"
_CONFIG = "config.json"

Config = dict[str, Any]
Paths = Sequence[str]


@dataclasses.dataclass(frozen=True)
class Output:
    """Output."""

    output_dir: str = flag(
        "",
        "Folder to write: missing, empty, or of an interrupted run of the same "
        "command, which is resumed.",
        required=True,
    )
    overwrite: bool = flag(False, "Empty --output_dir first.")


@dataclasses.dataclass(frozen=True)
class WorkLog:
    """What is finished in an output folder; picklable.

    Attributes:
      is_complete: an earlier run with the same settings wrote the manifest, so nothing
        is left to do.
    """

    output_dir: str
    stage: str
    config: Config
    is_complete: bool

    def done(self, name: str) -> dict[str, Any] | None:
        """What `finish` recorded, or None if the piece must be made (again).

        None also if a file of the payload's `entries` is missing or has another size.
        """
        if not files.exists(self._path(name)):
            return None
        try:
            payload = files.read_json(self._path(name))
        except ValueError:  # a damaged record
            return None
        entries = payload.get("entries", [])
        problems = (manifest.size_problem(self.output_dir, entry) for entry in entries)
        return None if any(problems) else payload

    def finish(self, name: str, payload: dict[str, Any]) -> None:
        """Records a piece whose files are complete under their final names.

        Args:
          name: the piece's, such as `shard-00000`.
          payload: JSON values; under `entries` the manifest entries of its files.
        """
        files.write_json(self._path(name), payload)

    def complete(self, values: dict[str, Any]) -> None:
        """Writes the manifest, including the settings, and removes the records."""
        manifest.write(self.output_dir, self.stage, {**values, "config": self.config})
        files.remove(os.path.join(self.output_dir, FOLDER))

    def _path(self, name: str) -> str:
        return os.path.join(self.output_dir, FOLDER, f"{name}.json")


def begin(output: Output, stage: str, config: Config, inputs: Paths = ()) -> WorkLog:
    """Prepares an output folder, or resumes what an earlier run of the stage left.

    Args:
      output: a missing or empty folder, or one of an earlier run with the same config.
      stage: the command's name, as in the manifest.
      config: every setting and input fingerprint that the output depends on, as JSON
        values; nothing else, such as the number of workers.
      inputs: paths that the folder must neither be nor contain.

    Raises:
      UserError: the folder has other contents, or was begun with other settings; the
        message names those that differ.
    """
    folder = os.path.join(output.output_dir, FOLDER)
    work_log = find(output, stage, config, inputs)
    if work_log is not None:
        if work_log.is_complete and files.exists(folder):
            files.remove(folder)
        return work_log
    # Killed before its config was written: there is nothing to lose.
    if files.listdir(output.output_dir) == [FOLDER]:
        files.remove(folder)
    manifest.prepare_output_dir(output.output_dir, output.overwrite, inputs)
    files.makedirs(folder)
    work_log = WorkLog(output.output_dir, stage, _as_json(config), is_complete=False)
    values = {"stage": stage, "config": work_log.config}
    files.write_json(os.path.join(folder, _CONFIG), values)
    return work_log


def find(
    output: Output, stage: str, config: Config, inputs: Paths = ()
) -> WorkLog | None:
    """The earlier run that `begin` would resume, or None; changes nothing.

    Raises:
      UserError: as `begin`.
    """
    path, config = output.output_dir, _as_json(config)
    manifest.check_output_dir(path, True, inputs)
    if not output.overwrite and files.exists(os.path.join(path, manifest.NAME)):
        _check_same(path, manifest.read(path, stage), stage, config)
        logging.info("%s: already complete, nothing to do", path)
        return WorkLog(path, stage, config, is_complete=True)
    config_path = os.path.join(path, FOLDER, _CONFIG)
    if not output.overwrite and files.exists(config_path):
        _check_same(path, files.read_json(config_path), stage, config)
        logging.info("%s: resuming an interrupted run", path)
        return WorkLog(path, stage, config, is_complete=False)
    if files.listdir(path) != [FOLDER]:
        manifest.check_output_dir(path, output.overwrite, inputs)
    return None


def _as_json(config: Config) -> Config:
    return json.loads(json.dumps(config))


def _check_same(path: str, earlier: dict[str, Any], stage: str, config: Config) -> None:
    advice = "Choose another folder, or pass --overwrite to empty this one"
    if earlier["stage"] != stage:
        raise UserError(
            f"--output_dir={path} belongs to data_prep.{earlier['stage']}, this is "
            f"data_prep.{stage}. {advice}"
        )
    differing = _differences(earlier.get("config", {}), config)
    if differing:
        raise UserError(
            f"--output_dir={path} was begun with other settings: "
            f"{'; '.join(differing)}. {advice}"
        )


def _differences(old: Config, new: Config) -> list[str]:
    """One clause for each setting that differs."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [
        f"{name} was {_short(old.get(name))}, is now {_short(new.get(name))}"
        for name in names
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
