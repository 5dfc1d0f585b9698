"""Folders that commands write, in which nothing of a user's is lost.

A command works in the folder `_progress` of its output folder. When all of its files
are complete they are moved to their places, manifest.json last. The manifest lists
them, and `_progress` lists what is in it, each file before it is written. So a run with
--overwrite, or after a crash, replaces exactly the files of earlier runs of the same
command, and only when their replacements are complete.
"""

import dataclasses
import json
import os
import uuid
from collections.abc import Iterable
from os.path import join
from typing import Any

from absl import logging

from common import claim, files, manifest, own_files
from common.claim import Claim
from common.cli import flag
from common.errors import UserError
from common.own_files import Values, progress


@dataclasses.dataclass(frozen=True)
class Output:
    """Output."""

    output_dir: str = flag(
        "",
        "Folder to write: missing, empty, or with an unfinished run of the same "
        "command.",
        required=True,
        writes="folder",
    )
    overwrite: bool = flag(
        False,
        "Replace an earlier result of the same command in --output_dir, once the new "
        "one is complete. Files of others are never touched.",
    )


@dataclasses.dataclass(frozen=True)
class WorkLog:
    """A command's work in an output folder; picklable.

    Attributes:
      command: the program's name, as in the manifest.
      config: what the output depends on, as in the manifest.
      run: a name that no other run has.
      is_complete: an earlier run with the same settings finished, so nothing is left
        to do.
    """

    output_dir: str
    command: str
    config: Values
    run: str = ""
    claim: Claim | None = None
    is_complete: bool = False

    @property
    def output(self) -> str:
        """Where to write the files of the result until all are complete."""
        return progress(self.output_dir, own_files.OUTPUT)

    @property
    def intermediate(self) -> str:
        """Where to write files that are removed in the end."""
        return progress(self.output_dir, own_files.INTERMEDIATE)

    def start(self, name: str, paths: Iterable[str]) -> Values | None:
        """Announces the files of a piece of work, before they are written.

        Args:
          name: the piece's, such as `shard-00000`.
          paths: in `output` or `intermediate`; their folders are made.

        Returns:
          None, or what an earlier run recorded by `finish`, if the files still have
          their sizes: then nothing needs to be written.
        """
        if (done := self.done(name)) is not None:
            return done
        paths = list(paths)
        for path in {os.path.dirname(path) for path in (*paths, self._record(name))}:
            files.makedirs(path)
        root = progress(self.output_dir)
        names = [os.path.relpath(path, root) for path in paths]
        files.write_json(self._record(name), {"run": self.run, "names": names})
        return None

    def finish(self, name: str, values: Values) -> None:
        """Records a piece whose files are complete; `values` are JSON.

        Raises:
          UserError: another process has taken the folder over.
        """
        self.claim.check()
        record = files.read_json(self._record(name))
        root = progress(self.output_dir)
        names = [name for name in record["names"] if files.exists(join(root, name))]
        sizes = {name: files.size(join(root, name)) for name in names}
        values = {**record, "sizes": sizes, "values": values}
        files.write_json(self._record(name), values)

    def done(self, name: str) -> Values | None:
        """What `finish` recorded; None if the piece must be made, or made again."""
        record = own_files.read_json(self._record(name)) or {}
        if record.get("run") != self.run or "sizes" not in record:
            return None
        root = progress(self.output_dir)
        for path, size in record["sizes"].items():
            if manifest.size_problem(root, {"name": path, "bytes": size}):
                return None
        return record["values"]

    def complete(self, values: Values) -> None:
        """Puts the files in their places; the manifest, with the config, comes last.

        Args:
          values: of the manifest; under `files` the entries of the files that later
            commands read. The entries of the others are added.
        """
        self.claim.check()
        known = {entry["name"] for entry in values.get("files", ())}
        prefix = f"{own_files.OUTPUT}/"
        written = (
            name.removeprefix(prefix)
            for record in own_files.records(self.output_dir)
            for name in record.get("sizes", ())
            if name.startswith(prefix)
        )
        others = sorted(set(written) - known)
        others = [manifest.file_entry(self.output, name) for name in others]
        content = {"files": [], **values, "other_files": others, "config": self.config}
        manifest.write(progress(self.output_dir), self.command, content)
        _publish(self.output_dir)

    def _record(self, name: str) -> str:
        return progress(self.output_dir, own_files.RECORDS, f"{name}.json")


def begin(
    output: Output, command: str, config: Values, resumes: bool = True
) -> WorkLog:
    """Prepares an output folder, or resumes what an earlier run left there.

    Args:
      output: a missing or empty folder, or one of an earlier run.
      command: the program's name, as in the manifest.
      config: every setting and input fingerprint that the output depends on, as JSON
        values; nothing else, such as the number of workers.
      resumes: an interrupted run with the same config is resumed.

    Raises:
      UserError: the folder has foreign files, or was begun with other settings; or
        another process works in it.
    """
    path, config = output.output_dir, json.loads(json.dumps(config))
    check(output, command)
    if files.exists(progress(path, manifest.NAME)):
        claim.take(progress(path), command)
        _publish(path)  # which was interrupted
    earlier = manifest.read_if_any(path)
    if earlier is not None and not output.overwrite:
        _check_same(path, earlier, config)
        for entry in manifest.entries(earlier):
            if problem := manifest.size_problem(path, entry):
                raise UserError(f"{problem}: pass --overwrite to make the folder again")
        own_files.remove_progress(path)
        logging.info("%s: already complete, nothing to do", path)
        return WorkLog(path, command, config, is_complete=True)
    begun = own_files.read_json(progress(path, own_files.BEGUN))
    # As long as nothing is finished there is nothing to lose.
    has_work = any("sizes" in record for record in own_files.records(path))
    if begun is not None and has_work and not output.overwrite:
        _check_same(path, begun, config)
    mine = claim.take(progress(path), command)
    if resumes and begun is not None and begun["config"] == config:
        logging.info("%s: resuming an interrupted run", path)
        return WorkLog(path, command, config, begun["run"], mine)
    own_files.remove_progress(path, kept=[claim.CLAIM_FILE])
    log = WorkLog(path, command, config, uuid.uuid4().hex, mine)
    values = {"stage": command, "run": log.run, "config": config}
    files.write_json(progress(path, own_files.BEGUN), values)
    return log


def publish(made: str, output: Output, command: str, config: Values) -> None:
    """Puts the files of a finished local folder in --output_dir; `check_new` it first.

    Raises:
      UserError: as `begin`.
    """
    replacing = dataclasses.replace(output, overwrite=True)
    log = begin(replacing, command, config, resumes=False)
    names = files.walk(made)
    log.start("files", [join(log.output, name) for name in names])
    for name in names:
        with files.atomic_writer(join(log.output, name)) as target:
            with files.open_binary(join(made, name)) as source:
                while block := source.read(1 << 24):
                    target.write(block)
    log.finish("files", {})
    log.complete({})


def check(output: Output, command: str) -> None:
    """Refuses a folder that the command may not write; changes nothing.

    Raises:
      UserError: it is a file, belongs to another command, has foreign files, or
        another process works there.
    """
    path = output.output_dir
    claim.check_free(progress(path))
    for earlier in (
        own_files.read_json(join(path, manifest.NAME)),
        own_files.read_json(progress(path, own_files.BEGUN)),
    ):
        if earlier is not None and earlier.get("stage", command) != command:
            raise UserError(
                f"--output_dir={path} belongs to {earlier['stage']}, this is "
                f"{command}: choose another folder"
            )
    own_files.refuse_foreign(path, command, own_files.own_test(path))


def check_new(output: Output, command: str) -> None:
    """As `check`; also refuses, without --overwrite, a folder with a result."""
    check(output, command)
    if manifest.read_if_any(output.output_dir) and not output.overwrite:
        raise UserError(
            f"--output_dir={output.output_dir} has a result of {command}: choose "
            "another folder, or pass --overwrite to replace it"
        )


def _publish(path: str) -> None:
    """Moves complete files to their places; once more, if it was interrupted."""
    finished, place = progress(path, manifest.NAME), join(path, manifest.NAME)
    replaced = progress(path, own_files.REPLACED)
    names = own_files.result_names(finished)
    if files.exists(place):
        # First: a half-replaced folder must not look complete.
        files.rename(place, replaced)
    own_files.remove(path, own_files.result_names(replaced) - names)
    output = progress(path, own_files.OUTPUT)
    here = sorted(names.intersection(files.walk(output)))
    files.rename_all([(join(output, name), join(path, name)) for name in here])
    own_files.remove_progress(
        path, kept=(manifest.NAME, own_files.BEGUN, claim.CLAIM_FILE)
    )
    files.rename(finished, place)
    own_files.remove_progress(path)


def _check_same(path: str, earlier: Values, config: Values) -> None:
    old = earlier.get("config", {})
    differing = [
        f"{name} was {_short(old.get(name))}, is now {_short(config.get(name))}"
        for name in {**old, **config}
        if old.get(name) != config.get(name)
    ]
    if differing:
        raise UserError(
            f"--output_dir={path} was begun with other settings: "
            f"{'; '.join(differing)}. Choose another folder, or pass --overwrite to "
            "begin anew"
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
