"""Which files of an output folder runs of its command wrote; removes exactly these.

A finished result lists its files in manifest.json. Unfinished work is in `_progress`,
which lists its files before they are written: the run in begun.json, each of its pieces
in a record.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from common import claim, files, manifest
from common.errors import UserError

PROGRESS = "_progress"
# In _progress:
BEGUN = "begun.json"  # the command, its settings, the run's id
REPLACED = "replaced.json"  # the manifest of the result that is being replaced
RECORDS = "records"  # one for each piece of work
OUTPUT = "output"  # files of the result, until all are complete
INTERMEDIATE = "intermediate"  # files that only the command itself reads

# The end of the name of a file that is being written; see `files`.
_TEMPORARY = re.compile(r"\.\d+-[0-9a-f]{8}\.tmp$")
_MOST_NAMED = 5

Values = dict[str, Any]


def progress(path: str, *names: str) -> str:
    return os.path.join(path, PROGRESS, *names)


def read_json(path: str) -> Values | None:
    """A JSON object; None if there is no such file, or nothing of ours in it."""
    try:
        value = files.read_json(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def refuse_foreign(path: str, command: str, own: Callable[[str], bool]) -> None:
    """Refuses an output folder with files that no run of its command wrote.

    Args:
      own: whether a name, from the folder on, is that of a file of the command.

    Raises:
      UserError: it is a file, or it names the first of them.
    """
    if files.exists(path) and not files.isdir(path):
        raise UserError(f"--output_dir={path} is a file, a folder is needed")
    names = files.walk(path) if files.isdir(path) else []
    foreign = [name for name in names if not own(name)]
    if foreign:
        more = f" and {len(foreign) - _MOST_NAMED} more" * (len(foreign) > _MOST_NAMED)
        raise UserError(
            f"--output_dir={path} contains files that {command} did not write: "
            f"{', '.join(map(repr, foreign[:_MOST_NAMED]))}{more}. They are never "
            "removed: move them, or choose another folder"
        )


def final_name(name: str) -> str:
    """The name that a file which is being written will get."""
    return _TEMPORARY.sub("", name)


def own_test(path: str) -> Callable[[str], bool]:
    """Whether runs of the folder's command wrote a file, or began to, by its name."""
    own = _own_names(path)

    def test(name: str) -> bool:
        unfinished = final_name(name) != name
        return name in own or (unfinished and name.startswith(f"{PROGRESS}/"))

    return test


def _own_names(path: str) -> set[str]:
    """Names of all files that runs of the folder's command wrote, or began to."""
    names = result_names(os.path.join(path, manifest.NAME)) | _progress_names(path)
    if f"{PROGRESS}/{BEGUN}" in names:
        for name in (manifest.NAME, REPLACED):
            names |= result_names(progress(path, name))
    return names


def result_names(manifest_path: str) -> set[str]:
    """The files of a finished result, manifest.json among them."""
    content = read_json(manifest_path)
    if content is None or "stage" not in content:
        return set()
    return {manifest.NAME, *(entry["name"] for entry in manifest.entries(content))}


def _progress_names(path: str) -> set[str]:
    """Names of the files of `_progress`, from the folder above it."""
    names = [claim.CLAIM_FILE] if claim.read(progress(path)) else []
    if "run" in (read_json(progress(path, BEGUN)) or {}):
        names += [BEGUN, REPLACED, manifest.NAME]
    names = {f"{PROGRESS}/{name}" for name in names}
    return names.union(*map(names_of, records(path)))


def records(path: str) -> list[Values]:
    """The records of a run; each with its own name, as `file`."""
    run = (read_json(progress(path, BEGUN)) or {}).get("run")
    names = files.walk(progress(path, RECORDS))
    names = [name for name in names if name.endswith(".json") and "/" not in name]
    contents = files.read_all([progress(path, RECORDS, name) for name in names])
    valid = []
    for name, content in zip(names, contents, strict=True):
        try:
            record = json.loads(content)
        except ValueError:
            continue
        if isinstance(record, dict) and run and record.get("run") == run:
            valid.append({"file": f"{RECORDS}/{name}", **record})
    return valid


def names_of(record: Values) -> list[str]:
    """A record's own file and those of its piece, from the output folder."""
    return [f"{PROGRESS}/{name}" for name in (record["file"], *record["names"])]


def remove_progress(path: str, kept: Sequence[str] = ()) -> None:
    """Removes a run's files from `_progress`, but for those `kept`."""
    own = own_test(path)
    names = {f"{PROGRESS}/{name}" for name in files.walk(progress(path))}
    names = {name for name in names if own(name)}
    names -= {f"{PROGRESS}/{name}" for name in kept}
    # What lists other files goes after them, lest a crash leaves files of nobody.
    records = {name for name in names if name.startswith(f"{PROGRESS}/{RECORDS}/")}
    lists = {name for name in names if name.count("/") == 1}
    for group in (names - records - lists, records, lists):
        remove(path, group)
    files.remove_empty_folders(progress(path))


def remove(path: str, names: set[str]) -> None:
    """Removes files of a folder, then the folders in it that this leaves empty."""
    files.remove_all([os.path.join(path, name) for name in sorted(names)])
    folders: set[str] = set()
    for name in names:
        while name := os.path.dirname(name):
            folders.add(name)
    for folder in sorted(folders, reverse=True):
        files.remove_if_empty(os.path.join(path, folder))
