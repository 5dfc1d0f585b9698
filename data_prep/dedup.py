"""Exact duplicates: the first in input order stays."""

import hashlib


class ExactDeduplicator:
    """Remembers a 64-bit hash of every line it saw.

    Two different lines share a hash with probability n^2 / 2^65: 1 in 2,000 that even
    one of 100 million lines is lost by it.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def is_duplicate(self, line: str) -> bool:
        """True if the same line was asked about before."""
        digest = hashlib.blake2b(line.encode("utf-8"), digest_size=8).digest()
        key = int.from_bytes(digest, "little")
        if key in self._seen:
            return True
        self._seen.add(key)
        return False
