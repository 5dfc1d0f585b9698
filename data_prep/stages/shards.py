"""Clean documents as text: a line per line, a blank line between documents."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from common import files
from common.errors import UserError
from data_prep.raw.records import Document

_GAP = re.compile("\n{3,}")

_BLOCK_BYTES = 1 << 20


def num_bytes(text: str) -> int:
    """In UTF-8; half a surrogate pair, which JSON can contain, counts three."""
    return len(text.encode("utf-8", "surrogatepass"))


def to_text(documents: Iterable[Document]) -> str:
    text = "\n\n".join(map("\n".join, documents))
    return text + "\n" if text else ""


def from_text(text: str) -> list[Document]:
    """The documents of `to_text`."""
    return [document.split("\n") for document in documents(text)]


def documents(text: str) -> list[str]:
    """The documents of a shard's text, each as one text of lines."""
    return text.removesuffix("\n").split("\n\n") if text else []


def lines(text: str) -> list[str]:
    """All lines of a shard's text."""
    return list(filter(None, text.split("\n")))


def without_lines(text: str, dropped: Iterable[int]) -> str:
    """A shard's text without some of its `lines`, and without documents left empty."""
    rows: list[str | None] = list(text.split("\n"))
    positions = [position for position, row in enumerate(rows) if row]
    for index in dropped:
        rows[positions[index]] = None
    kept = "\n".join(row for row in rows if row is not None).strip("\n")
    return _GAP.sub("\n\n", kept) + "\n" if kept else ""


def without_documents(text: str, dropped: Iterable[int]) -> str:
    """A shard's text without some of its `documents`."""
    gone = set(dropped)
    kept = [d for index, d in enumerate(documents(text)) if index not in gone]
    return "\n\n".join(kept) + "\n" if kept else ""


def read_shard(path: str, sha256: str = "") -> Iterator[Document]:
    """Documents of one clean shard.

    Raises:
      UserError: after the last one, if the file does not have the SHA-256.
    """
    rest, digest = b"", hashlib.sha256()
    with files.open_binary(path) as handle:
        while block := handle.read(max(_BLOCK_BYTES, len(rest))):
            digest.update(block)
            whole, separator, rest = (rest + block).rpartition(b"\n\n")
            if separator:
                for document in whole.decode("utf-8").split("\n\n"):
                    yield document.split("\n")
    if rest:
        yield rest.decode("utf-8").removesuffix("\n").split("\n")
    if sha256 and digest.hexdigest() != sha256:
        raise UserError(
            f"{path} has changed since clean_corpus wrote it: copy it again, or run "
            "clean_corpus with --overwrite"
        )
