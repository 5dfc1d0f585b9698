"""Stage folders: each is finished by a manifest.json, written last.

A manifest names the stage, its settings, its counts, and every file with its size and
SHA-256. The next stage refuses a folder without one, or whose files do not match.
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
        """The manifest entry of this file."""
        sha256 = self._sha256.hexdigest()
        return {"name": name, "bytes": self.bytes, "sha256": sha256, **counts}


def file_entry(directory: str, name: str, **counts: int) -> dict[str, Any]:
    """The manifest entry of a file already written."""
    digest, length = hashlib.sha256(), 0
    with files.open_binary(os.path.join(directory, name)) as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            length += len(block)
    return {"name": name, "bytes": length, "sha256": digest.hexdigest(), **counts}


def check_output_dir(path: str, overwrite: bool, inputs: Iterable[str] = ()) -> None:
    """Refuses, changing nothing, a path that `prepare_output_dir` would refuse.

    Raises:
      UserError: the path is a file, a folder that is not empty, or a folder that is or
        contains one of the `inputs`.
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
    """Makes `path` an empty folder; call it after the input is checked."""
    check_output_dir(path, overwrite, inputs)
    names = files.listdir(path)
    # Removes the manifest first: a half-removed folder must not look complete.
    for name in sorted(names, key=lambda name: name != NAME):
        files.remove(os.path.join(path, name))
    files.makedirs(path)


def write(path: str, stage: str, manifest: dict[str, Any]) -> None:
    """Finishes a stage folder."""
    files.write_json(os.path.join(path, NAME), {"stage": stage, **manifest})


def read(path: str, stage: str) -> dict[str, Any]:
    """The manifest of a complete stage folder.

    Raises:
      UserError: the folder or its manifest is missing, belongs to another stage, or a
        file is missing or has another size than in the manifest.
    """
    if not files.isdir(path):
        raise UserError(f"{path} is not a folder: run data_prep.{stage} to make it")
    if not files.exists(os.path.join(path, NAME)):
        raise UserError(
            f"{path} has no {NAME}: data_prep.{stage} did not finish there; run it "
            "again (with --overwrite if it refuses the folder)"
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
    """How a file's size differs from its manifest entry; empty if it does not."""
    name = os.path.join(directory, entry["name"])
    size = files.size(name) if files.exists(name) else None
    if size == entry["bytes"]:
        return ""
    state = "is missing" if size is None else f"has {size} bytes"
    return f"{name} {state}, its manifest says {entry['bytes']} bytes"


def content_hash(manifest: dict[str, Any]) -> str:
    """SHA-256 of the names and SHA-256 of a folder's files in its manifest.

    A later stage records it to recognise its input.
    """
    lines = [f"{entry['sha256']} {entry['name']}\n" for entry in manifest["files"]]
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()
