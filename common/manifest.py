"""Folders that commands write: each is finished by a manifest.json, written last.

A manifest names the command (`stage`), its settings and counts, and every file with its
size and SHA-256: under `files` those that later commands read, under `other_files` the
rest. A later command refuses a folder without one, or whose files do not match.
"""

import hashlib
import os
from typing import Any, BinaryIO

from common import files
from common.errors import UserError

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


def write(path: str, stage: str, manifest: dict[str, Any]) -> None:
    """Finishes a folder."""
    files.write_json(os.path.join(path, NAME), {"stage": stage, **manifest})


def read(path: str, stage: str) -> dict[str, Any]:
    """The manifest of a complete stage folder.

    Raises:
      UserError: the folder or its manifest is missing, belongs to another stage, or a
        file is missing or has another size than in the manifest.
    """
    if not files.isdir(path):
        raise UserError(f"{path} is not a folder: run data_prep.{stage} to make it")
    manifest = read_if_any(path)
    if manifest is None:
        raise UserError(
            f"{path} has no {NAME}: data_prep.{stage} did not finish there; run it "
            "again"
        )
    if manifest.get("stage") != stage:
        raise UserError(
            f"{path} was made by data_prep.{manifest.get('stage')}, "
            f"a folder made by data_prep.{stage} is needed"
        )
    for entry in entries(manifest):
        if problem := size_problem(path, entry):
            raise UserError(f"{problem}: make the folder again, or copy the file again")
    return manifest


def read_if_any(path: str) -> dict[str, Any] | None:
    """A folder's manifest, whosever it is; None if there is none.

    Raises:
      UserError: it is damaged.
    """
    try:
        return files.read_json(os.path.join(path, NAME))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise UserError(
            f"{os.path.join(path, NAME)} is damaged ({error}): copy the file again, or "
            "remove the folder and make it again"
        ) from error


def entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of all files of a folder."""
    return [*manifest.get("files", ()), *manifest.get("other_files", ())]


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
