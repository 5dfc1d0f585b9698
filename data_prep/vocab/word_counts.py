"""Counts the words of a corpus of any size in bounded memory.

Shards are counted one by one, words being what stands between spaces; the tokenizer
then looks at each distinct word once. Dropping the rarer half of the distinct words
whenever they are too many bounds the memory (lossy counting, Manku and Motwani 2002):
what is dropped is too rare to become a token, and its characters still count.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from data_prep.stages import shards
from data_prep.stages.shards import Document
from data_prep.vocab.alphabet import Alphabet

SHARD, NONE = "shard", "none"
STRATA = (SHARD, NONE)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Which documents are counted.

    fraction: share of the documents.
    stratify_by: "shard" takes the same share of every shard: shards follow the order of
      the raw text, so a corpus in order of time is sampled evenly over time. "none"
      draws each document by itself.
    seed: another seed draws other documents.
    """

    fraction: float = 1.0
    stratify_by: str = SHARD
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """What a worker needs to count one clean shard."""

    path: str
    sample: Sample


def draw(documents: Iterable[Document], sample: Sample) -> Iterator[Document]:
    """The sample of one shard; a document's luck depends on its text and the seed."""
    if sample.fraction == 1.0:
        yield from documents
    elif sample.stratify_by == NONE:
        limit = sample.fraction * 2**64
        yield from (d for d in documents if _draw_number(d, sample.seed) < limit)
    else:
        shuffled = sorted(documents, key=lambda d: _draw_number(d, sample.seed))
        yield from shuffled[: round(sample.fraction * len(shuffled))]


def _draw_number(document: Document, seed: int) -> int:
    text, salt = "\n".join(document).encode("utf-8"), str(seed).encode()
    digest = hashlib.blake2b(text, digest_size=8, salt=salt[:16]).digest()
    return int.from_bytes(digest, "little")


def count_shard(job: ShardJob) -> tuple[Counter[str], Counter[str]]:
    """(words between spaces -> count, documents, lines and characters counted)."""
    words: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for document in draw(shards.read_shard(job.path), job.sample):
        used["documents"] += 1
        used["lines"] += len(document)
        for line in document:
            used["characters"] += len(line)
            words.update(line.split(" "))
    del words[""]
    return words, used


class WordCounter:
    """Adds up the counts of shards, in any number of them."""

    def __init__(self, split: Callable[[str], list[str]], max_words: int):
        """
        Args:
          split: `vocab.word_splitter`.
          max_words: distinct words between spaces held at a time, about 1 kB each
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
        # Equal counts go by the word: the order of a dictionary depends on the shards'.
        ranked = sorted(self._counts, key=lambda word: (-self._counts[word], word))
        dropped = {w: self._counts.pop(w) for w in ranked[self._max_words // 2 :]}
        self.dropped_words += len(dropped)
        self.dropped_occurrences += sum(dropped.values())
        self.alphabet.add(self._tokenizer_words(dropped))

    def finish(self) -> Counter[str]:
        """Counts of the tokenizer's words, which end at punctuation too."""
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
