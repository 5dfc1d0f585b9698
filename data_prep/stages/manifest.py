"""Stage folders: each is finished by a manifest.json, written last.

A manifest names the stage, its settings, its counts and every file with its size and
SHA-256. The next stage refuses a folder without one, or whose files do not match it.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import Any, BinaryIO

from common import files
from common.cli import UserError

NAME = "manifest.json"


class HashingWriter:
    """Wraps a binary file; counts and hashes what passes through."""

    def __init__(self, handle: BinaryIO):
        self._handle = handle
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> None:
        self._handle.write(data)
        self._sha256.update(data)
        self.bytes += len(data)

    def entry(self, name: str, **counts: int) -> dict[str, Any]:
        """The manifest's line for this file."""
        sha256 = self._sha256.hexdigest()
        return {"name": name, "bytes": self.bytes, "sha256": sha256, **counts}


def file_entry(directory: str, name: str, **counts: int) -> dict[str, Any]:
    """The manifest's line for a file already written."""
    digest, length = hashlib.sha256(), 0
    with files.open_binary(os.path.join(directory, name)) as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            length += len(block)
    return {"name": name, "bytes": length, "sha256": digest.hexdigest(), **counts}


def check_output_dir(path: str, overwrite: bool, inputs: Iterable[str] = ()) -> None:
    """Refuses, changing nothing, a path that `prepare_output_dir` would refuse.

    Raises:
      UserError: the path is a file, or a folder that holds something, or holds or is
        one of the `inputs`.
    """
    whole = os.path.join(os.path.realpath(path), "")
    for source in inputs:
        if os.path.join(os.path.realpath(source), "").startswith(whole):
            raise UserError(f"--output_dir={path} contains the input {source}")
    if files.exists(path) and not files.isdir(path):
        raise UserError(f"--output_dir={path} is a file, a folder is needed")
    if files.listdir(path) and not overwrite:
        raise UserError(
            f"--output_dir={path} is not empty: it contains "
            f"{files.listdir(path)[0]!r}. Choose another folder, or pass --overwrite "
            "to empty this one"
        )


def prepare_output_dir(path: str, overwrite: bool, inputs: Iterable[str] = ()) -> None:
    """Makes `path` an empty folder; call it once the input is known to be good."""
    check_output_dir(path, overwrite, inputs)
    names = files.listdir(path)
    # The manifest goes first: a half-removed folder must not look complete.
    for name in sorted(names, key=lambda name: name != NAME):
        files.remove(os.path.join(path, name))
    files.makedirs(path)


def write(path: str, stage: str, manifest: dict[str, Any]) -> None:
    """Finishes a stage folder."""
    files.write_json(os.path.join(path, NAME), {"stage": stage, **manifest})


def read(path: str, stage: str) -> dict[str, Any]:
    """The manifest of a complete stage folder.

    Raises:
      UserError: the folder or its manifest is missing, it is another stage's, or a file
        is missing or has another size than the manifest says.
    """
    if not files.isdir(path):
        raise UserError(
            f"{path} is not a folder: data_prep.{stage} should have made it"
        )
    if not files.exists(os.path.join(path, NAME)):
        raise UserError(
            f"{path} has no {NAME}: data_prep.{stage} did not finish there. "
            "Run it again (with --overwrite)"
        )
    try:
        manifest = files.read_json(os.path.join(path, NAME))
    except ValueError as error:
        raise UserError(
            f"{os.path.join(path, NAME)} is damaged ({error}): make the folder again, "
            "or copy the file again"
        ) from error
    if manifest.get("stage") != stage:
        raise UserError(
            f"{path} was made by data_prep.{manifest.get('stage')}, "
            f"a folder made by data_prep.{stage} is needed"
        )
    for entry in manifest["files"]:
        if problem := size_problem(path, entry):
            raise UserError(f"{problem}: make the folder again, or copy the file again")
    return manifest


def size_problem(directory: str, entry: dict[str, Any]) -> str:
    """How a file's size differs from its manifest line; empty if it does not."""
    name = os.path.join(directory, entry["name"])
    found = files.size(name) if files.exists(name) else None
    if found == entry["bytes"]:
        return ""
    state = "is missing" if found is None else f"has {found} bytes"
    return f"{name} {state}, its manifest says {entry['bytes']} bytes"


def content_hash(manifest: dict[str, Any]) -> str:
    """SHA-256 over the names and SHA-256 of a folder's files, as its manifest has them.

    What a later stage records to know its input again.
    """
    lines = [f"{entry['sha256']} {entry['name']}\n" for entry in manifest["files"]]
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()
