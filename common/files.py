"""Paths, local or remote, and files that appear whole or not at all.

Remote paths (gs://, s3://, hf://) go through fsspec: gs:// needs the extra `gcs`,
others the package that fsspec names. Object stores have no folders, cannot append and
cannot seek while writing; all of this works on them all the same.
"""

import contextlib
import glob as local_glob
import io
import json
import logging
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from common.errors import UserError

# gcsfs would ask with every file system for the kind of the bucket, and warn where it
# may not know.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

_BLOCK = 1 << 20


def is_remote(path: str) -> bool:
    return "://" in path


@contextlib.contextmanager
def _remote(path: str) -> Iterator[tuple[Any, str]]:
    """The file system of a remote path, and the path's name there.

    Raises:
      FileNotFoundError: as the block raises it.
      UserError: any other error of the block, with what to check.
    """
    scheme = path.split("://")[0]
    try:
        # Imported here: only remote paths pay for it.
        from fsspec.core import url_to_fs

        # A listing may be another process's by now.
        file_system, key = url_to_fs(path, use_listings_cache=False)
        for name in ("fsspec", "gcsfs"):  # they log what they raise, and more
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield file_system, key
    except (UserError, FileNotFoundError):
        raise
    except ImportError as error:
        missing = "pip install -e '.[gcs]'" if scheme in ("gs", "gcs") else error
        raise UserError(f"{path}: {scheme}:// needs a package: {missing}") from error
    except Exception as error:  # each file system has error classes of its own
        raise _unusable(path, error) from error


def _unusable(path: str, error: Exception) -> UserError:
    return UserError(
        f"cannot use {path}: {type(error).__name__}: {error}. Check the name and that "
        "this machine may read and write there (gs://: gcloud auth application-default "
        "login, or the VM's service account). Finished work is kept: fix this, and run "
        "the same command again"
    )


def open_binary(path: str) -> BinaryIO:
    """A file to read; remote ones in blocks, as they are read."""
    if not is_remote(path):
        return open(path, "rb")
    with _remote(path) as (file_system, name):
        # A small read of fsspec's own costs milliseconds.
        return io.BufferedReader(file_system.open(name, "rb"), _BLOCK)


def glob(pattern: str) -> list[str]:
    if not is_remote(pattern):
        return sorted(local_glob.glob(pattern))
    with _remote(pattern) as (file_system, name):
        return sorted(map(file_system.unstrip_protocol, file_system.glob(name)))


def exists(path: str) -> bool:
    if not is_remote(path):
        return os.path.exists(path)
    with _remote(path) as (file_system, name):
        return file_system.exists(name)


def isdir(path: str) -> bool:
    """Whether it is a folder; on an object store, one with something in it."""
    if not is_remote(path):
        return os.path.isdir(path)
    with _remote(path) as (file_system, name):
        return file_system.isdir(name)


def listdir(path: str) -> list[str]:
    """Names in a folder, sorted; empty where there is no folder."""
    if not isdir(path):
        return []
    if not is_remote(path):
        return sorted(os.listdir(path))
    with _remote(path) as (file_system, name):
        names = file_system.ls(name, detail=False)
    parts = (child.rstrip("/").rpartition("/")[2] for child in names)
    return sorted(part for part in parts if part)


def walk(path: str) -> list[str]:
    """Names, relative to a folder, of all files below it, sorted.

    A link to a folder counts as a file, so that nothing outside the folder is listed.
    """
    if is_remote(path):
        with _remote(path) as (file_system, name):
            names = file_system.find(name)
        prefix = len(name.rstrip("/")) + 1
        names = (child[prefix:] for child in names)
        # An empty object of a folder's name is what some programs make a folder of.
        return sorted(name for name in names if name and not name.endswith("/"))
    paths = []
    for folder, folders, names in os.walk(path):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        paths += [os.path.join(folder, name) for name in names + links]
    return sorted(os.path.relpath(name, path) for name in paths)


def size(path: str) -> int:
    if not is_remote(path):
        return os.path.getsize(path)
    with _remote(path) as (file_system, name):
        return file_system.size(name)


def makedirs(path: str) -> None:
    """Makes a local folder; object stores have none."""
    if is_remote(path):
        return
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def rename(source: str, target: str) -> None:
    """Renames a file, replacing the target."""
    rename_all([(source, target)])


def rename_all(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files, each to a path of the same file system, replacing what is there.

    Folders are made. Object stores copy and then delete, many files at a time.
    """
    if not pairs:
        return
    if not is_remote(pairs[0][0]):
        for source, target in pairs:
            makedirs(os.path.dirname(target) or ".")
            os.replace(source, target)
        for folder in {os.path.dirname(target) or "." for _, target in pairs}:
            _sync_folder(folder)
        return
    with _remote(pairs[0][0]) as (file_system, _):
        sources = [file_system._strip_protocol(source) for source, _ in pairs]
        targets = [file_system._strip_protocol(target) for _, target in pairs]
        file_system.copy(sources, targets)
        file_system.rm(sources)


def remove_all(paths: Sequence[str]) -> None:
    """Removes files; those that are missing are passed over."""
    if not paths:
        return
    if not is_remote(paths[0]):
        for path in paths:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.remove(path)
        return
    with _remote(paths[0]) as (file_system, _):
        names = map(file_system._strip_protocol, paths)
        if present := [name for name in names if file_system.exists(name)]:
            file_system.rm(present)


def remove_if_empty(folder: str) -> None:
    """Removes a local folder, unless something is in it; object stores have none."""
    if not is_remote(folder):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def remove_empty_folders(path: str) -> None:
    """Removes a local folder and those in it, as far as they contain no file."""
    for folder, _, _ in os.walk(path, topdown=False):
        remove_if_empty(folder)


def remove(path: str) -> None:
    """Removes a file or a whole folder."""
    if is_remote(path):
        with _remote(path) as (file_system, name):
            file_system.rm(name, recursive=True)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


@contextlib.contextmanager
def atomic_writer(path: str) -> Iterator[BinaryIO]:
    """A file, seekable, that appears only when the block ends without an error.

    Raises:
      UserError: the file cannot be written: a full disk, or no permission.
    """
    with _remote_writer(path) if is_remote(path) else _local_writer(path) as handle:
        yield handle


@contextlib.contextmanager
def _remote_writer(path: str) -> Iterator[BinaryIO]:
    with tempfile.NamedTemporaryFile() as handle:
        yield handle
        handle.flush()
        try:
            with _remote(path) as (file_system, name):
                if os.path.getsize(handle.name):
                    file_system.put_file(handle.name, name)
                else:  # some never create a file that nothing is written to
                    file_system.pipe_file(name, b"")
        except FileNotFoundError as error:
            raise _unusable(path, error) from error


@contextlib.contextmanager
def _local_writer(path: str) -> Iterator[BinaryIO]:
    # Its own name: another process may be writing the same file.
    temporary = f"{path}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    try:
        with open(temporary, "w+b") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        _sync_folder(os.path.dirname(path) or ".")
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def _sync_folder(path: str) -> None:
    """A rename survives a power loss only when its folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_text(path: str, text: str) -> None:
    """Appends to a file; object stores cannot, there it is written anew."""
    if not is_remote(path):
        with open(path, "ab") as handle:
            handle.write(text.encode("utf-8"))
        return
    before = read_text(path) if exists(path) else ""
    write_text(path, before + text)


def _cannot_write(path: str, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path}: {error.strerror or error}. Finished work is kept: fix "
        "this, and run the same command again"
    )


def read_text(path: str) -> str:
    with open_binary(path) as handle:
        return handle.read().decode("utf-8")


def read_all(paths: Sequence[str]) -> list[bytes]:
    """The contents of files; remote ones are read many at a time."""
    if not paths or not is_remote(paths[0]):
        return [pathlib.Path(path).read_bytes() for path in paths]
    with _remote(paths[0]) as (file_system, _):
        names = [file_system._strip_protocol(path) for path in paths]
        contents = file_system.cat(names)
    if isinstance(contents, bytes):  # of a single file
        return [contents]
    return [contents[name] for name in names]


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
