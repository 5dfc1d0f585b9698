"""Stages that go on where a killed run stopped.

While a stage works, its output folder holds a folder `_progress`: first the stage and
its settings (config.json), then one record for each finished piece of work, written
after the files of that piece. The manifest, written last, replaces it.
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from typing import Any

from absl import logging

from common import files
from common.cli import UserError
from data_prep.stages import manifest

FOLDER = "_progress"
_CONFIG = "config.json"


@dataclasses.dataclass(frozen=True)
class WorkLog:
    """What is finished in an output folder. Can be sent to worker processes.

    Attributes:
      is_complete: an earlier run with the same settings wrote the manifest: nothing is
        left to do.
    """

    output_dir: str
    stage: str
    config: dict[str, Any]
    is_complete: bool

    def done(self, name: str) -> dict[str, Any] | None:
        """What `finish` recorded, or None if the piece has to be made (again).

        None too if a file of the payload's `entries` is missing or has another size.
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
          name: of the piece, such as `shard-00000`.
          payload: JSON values; under `entries` the manifest's lines of its files.
        """
        files.write_json(self._path(name), payload)

    def complete(self, values: dict[str, Any]) -> None:
        """Writes the manifest, settings included, and removes the records."""
        manifest.write(self.output_dir, self.stage, {**values, "config": self.config})
        files.remove(os.path.join(self.output_dir, FOLDER))

    def _path(self, name: str) -> str:
        return os.path.join(self.output_dir, FOLDER, f"{name}.json")


def begin(
    output_dir: str,
    stage: str,
    config: dict[str, Any],
    overwrite: bool,
    inputs: Iterable[str] = (),
) -> WorkLog:
    """Prepares an output folder, or finds what an earlier run finished in it.

    Args:
      output_dir: missing or empty; or of an earlier run with the same config.
      stage: the script's name, as in the manifest.
      config: every setting and input fingerprint that the output depends on, as JSON
        values. Not what it does not depend on, such as the number of workers.
      overwrite: remove what `output_dir` holds and begin anew.
      inputs: paths that `output_dir` must not hold.

    Raises:
      UserError: the folder holds something else, or is of other settings; the message
        names those that differ.
    """
    found = find(output_dir, stage, config, overwrite, inputs)
    if found is not None:
        if found.is_complete and files.exists(os.path.join(output_dir, FOLDER)):
            files.remove(os.path.join(output_dir, FOLDER))
        return found
    # Killed before it began: the folder for the records, and nothing to lose.
    if files.listdir(output_dir) == [FOLDER]:
        files.remove(os.path.join(output_dir, FOLDER))
    manifest.prepare_output_dir(output_dir, overwrite, inputs)
    config_path = os.path.join(output_dir, FOLDER, _CONFIG)
    files.makedirs(os.path.dirname(config_path))
    work_log = WorkLog(output_dir, stage, _as_json(config), is_complete=False)
    files.write_json(config_path, {"stage": stage, "config": work_log.config})
    return work_log


def find(
    output_dir: str,
    stage: str,
    config: dict[str, Any],
    overwrite: bool,
    inputs: Iterable[str] = (),
) -> WorkLog | None:
    """What `begin` would go on with, or None; changes nothing, raises as `begin`."""
    config = _as_json(config)
    manifest.check_output_dir(output_dir, True, inputs)
    if not overwrite and files.exists(os.path.join(output_dir, manifest.NAME)):
        _check_same(output_dir, manifest.read(output_dir, stage), stage, config)
        logging.info("%s: already complete, nothing to do", output_dir)
        return WorkLog(output_dir, stage, config, is_complete=True)
    config_path = os.path.join(output_dir, FOLDER, _CONFIG)
    if not overwrite and files.exists(config_path):
        _check_same(output_dir, files.read_json(config_path), stage, config)
        logging.info("%s: going on where an earlier run stopped", output_dir)
        return WorkLog(output_dir, stage, config, is_complete=False)
    if files.listdir(output_dir) != [FOLDER]:
        manifest.check_output_dir(output_dir, overwrite, inputs)
    return None


def _as_json(config: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(config))


def _check_same(
    output_dir: str, found: dict[str, Any], stage: str, config: dict[str, Any]
) -> None:
    advice = "Name another folder, or say --overwrite to remove what is there"
    if found["stage"] != stage:
        raise UserError(
            f"--output_dir={output_dir} is of data_prep.{found['stage']}, this is "
            f"data_prep.{stage}. {advice}"
        )
    differing = _differences(found.get("config", {}), config)
    if differing:
        raise UserError(
            f"--output_dir={output_dir} was begun with other settings: "
            f"{'; '.join(differing)}. {advice}"
        )


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """One sentence for each setting that differs."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [
        f"{name} was {_short(old.get(name))}, is now {_short(new.get(name))}"
        for name in names
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
