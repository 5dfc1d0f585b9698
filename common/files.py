"""Paths, local or remote, and files that appear whole or not at all.

Remote paths (gs://, s3://, hdfs://) go through `tf.io.gfile`. Local ones use the
standard library, so that cleaning and vocabulary workers do not pay TensorFlow's
start-up."""

import contextlib
import glob as local_glob
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any, BinaryIO

from common.cli import UserError


def _gfile(path: str):
    """tf.io.gfile for a remote path, None for a local one."""
    if "://" not in path:
        return None
    import tensorflow as tf

    return tf.io.gfile


def open_binary(path: str, mode: str = "rb") -> BinaryIO:
    gfile = _gfile(path)
    return gfile.GFile(path, mode) if gfile else open(path, mode)


def glob(pattern: str) -> list[str]:
    gfile = _gfile(pattern)
    return sorted(gfile.glob(pattern) if gfile else local_glob.glob(pattern))


def exists(path: str) -> bool:
    gfile = _gfile(path)
    return gfile.exists(path) if gfile else os.path.exists(path)


def isdir(path: str) -> bool:
    gfile = _gfile(path)
    return gfile.isdir(path) if gfile else os.path.isdir(path)


def listdir(path: str) -> list[str]:
    """Names in a folder, sorted; empty where there is no folder."""
    if not isdir(path):
        return []
    gfile = _gfile(path)
    names = gfile.listdir(path) if gfile else os.listdir(path)
    return sorted(name.rstrip("/") for name in names)


def size(path: str) -> int:
    gfile = _gfile(path)
    return gfile.stat(path).length if gfile else os.path.getsize(path)


def makedirs(path: str) -> None:
    gfile = _gfile(path)
    try:
        gfile.makedirs(path) if gfile else os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def rename(source: str, target: str) -> None:
    """Renames a file, replacing the target."""
    gfile = _gfile(source)
    if gfile:
        gfile.rename(source, target, overwrite=True)
    else:
        os.replace(source, target)


def remove(path: str) -> None:
    """Removes a file or a whole folder."""
    gfile = _gfile(path)
    if isdir(path):
        gfile.rmtree(path) if gfile else shutil.rmtree(path)
    else:
        gfile.remove(path) if gfile else os.remove(path)


@contextlib.contextmanager
def atomic_writer(path: str) -> Iterator[BinaryIO]:
    """A file that gets its name only when the block ends without an error.

    Raises:
      UserError: the file cannot be written: a full disk, or no permission.
    """
    temporary = path + ".tmp"
    try:
        with open_binary(temporary, "wb") as handle:
            yield handle
        rename(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            remove(temporary)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def _cannot_write(path: str, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path}: {error.strerror or error}. What is finished is kept: "
        "mend this, and run the same command again"
    )


def read_text(path: str) -> str:
    with open_binary(path) as handle:
        return handle.read().decode("utf-8")


def write_text(path: str, text: str) -> None:
    with atomic_writer(path) as handle:
        handle.write(text.encode("utf-8"))


def read_json(path: str) -> Any:
    return json.loads(read_text(path))


def write_json(path: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    with atomic_writer(path) as handle:
        # Half a surrogate pair, which JSON can hold, becomes its JSON escape.
        handle.write(text.encode("utf-8", errors="backslashreplace"))
