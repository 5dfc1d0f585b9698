"""Counts the words of a corpus of any size in bounded memory.

The words between spaces are counted shard by shard; the tokenizer then splits each
distinct word once. Memory is bounded by dropping the rarer half of the distinct words
whenever there are too many (lossy counting, Manku and Motwani 2002): these are too rare
to become tokens, and their characters still count.
"""

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.cli import flag
from data_prep.stages import shards
from data_prep.stages.shards import Document
from data_prep.vocab.alphabet import Alphabet

SHARD, NONE = "shard", "none"


@dataclasses.dataclass(frozen=True)
class Sample:
    """Which documents are counted."""

    sample_fraction: float = flag(
        1.0,
        "Share of the documents to count; KcBERT took 0.1.",
        at_least=1e-6,
        at_most=1.0,
    )
    stratify_by: str = flag(
        SHARD,
        "shard: the same share of every shard, and so of every period if the raw text "
        "was in order of time (clean text contains no dates). none: each document is "
        "drawn on its own.",
        choices=(SHARD, NONE),
    )
    seed: int = flag(0, "Seed of the sample.")


def draw(documents: Iterable[Document], sample: Sample) -> Iterator[Document]:
    """The sample of one shard; a draw depends on the document's text and the seed."""
    if sample.sample_fraction == 1.0:
        yield from documents
    elif sample.stratify_by == NONE:
        limit = sample.sample_fraction * 2**64
        yield from (d for d in documents if _draw_number(d, sample.seed) < limit)
    else:
        shuffled = sorted(documents, key=lambda d: _draw_number(d, sample.seed))
        yield from shuffled[: round(sample.sample_fraction * len(shuffled))]


def _draw_number(document: Document, seed: int) -> int:
    text, salt = "\n".join(document).encode("utf-8"), str(seed).encode()
    digest = hashlib.blake2b(text, digest_size=8, salt=salt[:16]).digest()
    return int.from_bytes(digest, "little")


def count_shard(
    sample: Sample, clean_dir: str, entry: dict[str, Any]
) -> tuple[Counter[str], Counter[str]]:
    """(count of each word, counts of documents, lines and characters) of one shard.

    Args:
      entry: the shard's, in the manifest of `clean_dir`.
    """
    path = os.path.join(clean_dir, entry["name"])
    words: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for document in draw(shards.read_shard(path, entry["sha256"]), sample):
        used["documents"] += 1
        used["lines"] += len(document)
        for line in document:
            used["characters"] += len(line)
            words.update(line.split(" "))
    del words[""]
    return words, used


class WordCounter:
    """Adds up the counts of any number of shards."""

    def __init__(self, split: Callable[[str], list[str]], max_words: int):
        """
        Args:
          split: as from `vocabulary.word_splitter`.
          max_words: distinct words between spaces kept in memory, about 1 kB each
            until the vocabulary is learned.
        """
        self._split, self._max_words = split, max_words
        self._counts: Counter[str] = Counter()
        self.alphabet = Alphabet()
        self.dropped_words = self.dropped_occurrences = 0

    def add(self, counts: Counter[str]) -> None:
        self._counts.update(counts)
        if len(self._counts) > self._max_words:
            self._drop_rarer_half()

    def _drop_rarer_half(self) -> None:
        # Ties are broken by the word: a dictionary's order depends on the shards'.
        ranked = sorted(self._counts, key=lambda word: (-self._counts[word], word))
        dropped = {w: self._counts.pop(w) for w in ranked[self._max_words // 2 :]}
        self.dropped_words += len(dropped)
        self.dropped_occurrences += sum(dropped.values())
        self.alphabet.add(self._tokenizer_words(dropped))

    def finish(self) -> Counter[str]:
        """Counts of the tokenizer's words, which punctuation separates too."""
        words = self._tokenizer_words(self._counts)
        self.alphabet.add(words)
        self._counts.clear()
        return words

    def _tokenizer_words(self, counts: dict[str, int]) -> Counter[str]:
        words: Counter[str] = Counter()
        for text, count in counts.items():
            for word in self._split(text):
                words[word] += count
        return words
