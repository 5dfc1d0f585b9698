"""Splits counted words into morphemes, so that pieces are learned inside them.

No analyser runs later: the tokenizer stays plain WordPiece, which takes the longest
matching token, so the vocabulary itself must favour that split. A word's first morpheme
is counted as a word ("학교"), a later one (a particle, an ending) as a continuation
("##에서"), and pairs are merged only within a morpheme. No learned token joins a stem
to its particle: "학교에서" can only become "학교 ##에서" or finer pieces.

Each distinct word is analysed once, without context, because a large corpus has a
hundred times more words than distinct ones. Ambiguous words are always split one way.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from common.errors import UserError
from data_prep.stages.parallel import Workers
from data_prep.vocab.training import PREFIX

MECAB, KIWI = "mecab", "kiwi"
ANALYZERS = (MECAB, KIWI)

_BATCH_WORDS = 10_000


@functools.cache
def analyzer(name: str) -> Callable[[str], list[str]]:
    """A function word -> its morphemes as written, which joined give the word.

    Raises:
      UserError: the analyser is not installed.
    """
    try:
        return _mecab() if name == MECAB else _kiwi()
    except ImportError as error:
        raise UserError(
            f"--analyzer={name} needs {error.name}: "
            "pip install 'korean-electra-tf[morphemes]'"
        ) from error


def _mecab() -> Callable[[str], list[str]]:
    import mecab

    return mecab.MeCab().morphs


def _kiwi() -> Callable[[str], list[str]]:
    import kiwipiepy

    kiwi = kiwipiepy.Kiwi(num_workers=1)

    def morphs(word: str) -> list[str]:
        # Kiwi separates morphemes inside one syllable (갔 = 가 + 았). They begin at the
        # same place, so the syllable stays whole.
        starts = {0, *(token.start for token in kiwi.tokenize(word))}
        ends = [*sorted(starts)[1:], len(word)]
        return [word[a:b] for a, b in zip(sorted(starts), ends, strict=True)]

    return morphs


def cut(word: str, morphs: Callable[[str], list[str]]) -> list[str]:
    """A word's morphemes, all but the first with "##"; without Hangul, the word."""
    if not any("가" <= c <= "힣" for c in word):
        return [word]
    first, *later = morphs(word)
    if first + "".join(later) != word:
        return [word]
    return [first, *(PREFIX + morpheme for morpheme in later)]


def _cut_batch(name: str, words: list[str]) -> list[list[str]]:
    morphs = analyzer(name)
    return [cut(word, morphs) for word in words]


def count(words: Mapping[str, int], name: str, workers: Workers) -> Counter[str]:
    """Counts of the morphemes of counted words."""
    counts: Counter[str] = Counter()
    cut_batch = functools.partial(_cut_batch, name)
    batches, again = itertools.tee(_batches(words))
    for batch, cuts in zip(again, workers.map(cut_batch, batches), strict=True):
        for word, morphemes in zip(batch, cuts, strict=True):
            for morpheme in morphemes:
                counts[morpheme] += words[word]
    return counts


def _batches(words: Mapping[str, int]) -> Iterator[list[str]]:
    remaining = iter(words)
    while batch := list(itertools.islice(remaining, _BATCH_WORDS)):
        yield batch
