"""Clean documents out and in again: text shards."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from data_prep import files
from data_prep.corpus import Document
from data_prep.manifest import HashingWriter

_BLOCK_BYTES = 1 << 20


class ShardWriter:
    """Writes documents to shards of about `shard_bytes`; a shard holds whole documents.

    A shard's lines are separated by newlines, its documents by a blank line. Names are
    corpus-00000.txt, corpus-00001.txt, ...
    """

    def __init__(self, directory: str, shard_bytes: int):
        self._directory, self._shard_bytes = directory, shard_bytes
        self._stack = contextlib.ExitStack()
        self._writer: HashingWriter | None = None
        self._name = ""
        self._lines = self._documents = 0
        self.entries: list[dict[str, Any]] = []

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *exc: Any) -> None:
        if exc[0] is None:
            self._close()
        else:
            self._stack.__exit__(*exc)

    def write(self, document: Document) -> None:
        if self._writer is None:
            self._name = f"corpus-{len(self.entries):05d}.txt"
            path = os.path.join(self._directory, self._name)
            handle = self._stack.enter_context(files.atomic_writer(path))
            self._writer = HashingWriter(handle)
        separator = "\n" if self._documents else ""
        text = separator + "".join(line + "\n" for line in document)
        self._writer.write(text.encode("utf-8"))
        self._lines += len(document)
        self._documents += 1
        if self._writer.bytes >= self._shard_bytes:
            self._close()

    def _close(self) -> None:
        if self._writer is None:
            return
        self._stack.close()
        counts = {"lines": self._lines, "documents": self._documents}
        self.entries.append(self._writer.entry(self._name, **counts))
        self._writer, self._lines, self._documents = None, 0, 0


def read_shard(
    path: str, on_bytes: Callable[[int], None] = lambda n: None
) -> Iterator[Document]:
    """Documents of one clean shard; reports the bytes it reads to `on_bytes`."""
    rest = b""
    with files.open_binary(path) as handle:
        while block := handle.read(max(_BLOCK_BYTES, len(rest))):
            on_bytes(len(block))
            whole, separator, rest = (rest + block).rpartition(b"\n\n")
            if separator:
                for document in whole.decode("utf-8").split("\n\n"):
                    yield document.split("\n")
    if rest:
        yield rest.decode("utf-8").removesuffix("\n").split("\n")
