"""WordPiece in numpy, against the greedy rule written out for one word."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.records.wordpiece import WordPiece

UNK = 99
MAX_LETTERS = 12


def cut(word: str, first: dict[str, int], inner: dict[str, int]) -> list[int]:
    ids, start, vocab = [], 0, first
    while start < len(word):
        ends = range(len(word), start, -1)
        end = next((end for end in ends if word[start:end] in vocab), None)
        if end is None or len(word) > MAX_LETTERS:
            return [UNK]
        ids.append(vocab[word[start:end]])
        start, vocab = end, inner
    return ids


TOKENS = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 98))
WORDS = st.lists(st.text("abcd", min_size=1, max_size=15), max_size=8)


@settings(deadline=None, max_examples=300)
@given(TOKENS, TOKENS, WORDS)
def test_same_pieces_as_the_greedy_rule(first, inner, words):
    pieces = WordPiece(first, inner, UNK, MAX_LETTERS)
    text = "".join(word + " " for word in words) + " "
    letters = [0 if c == " " else pieces.number(c) for c in text]
    is_letter = np.array(letters) > 0
    continues = np.zeros(len(text), bool)
    continues[1:] = is_letter[1:] & is_letter[:-1]
    found = pieces(np.array(letters), np.flatnonzero(is_letter & ~continues), continues)
    rows = [found.row(index).tolist() for index in range(len(words))]
    assert rows == [cut(word, first, inner) for word in words]


def test_large_vocabularies_fill_the_table_without_loss():
    rng = np.random.default_rng(0)
    syllables = [chr(0xAC00 + index) for index in range(11_000)]
    pairs = [
        a + syllables[b]
        for a, b in zip(syllables, rng.permutation(11_000), strict=True)
    ]
    words = [*syllables, *pairs]
    ids = rng.permutation(len(words)).tolist()
    pieces = WordPiece(dict(zip(words, ids, strict=True)), {}, -1, 100)
    text = " ".join(words) + " "
    letters = np.array([0 if c == " " else pieces.number(c) for c in text])
    starts = np.flatnonzero((letters > 0) & (np.roll(letters, 1) == 0))
    continues = (letters > 0) & (np.roll(letters, 1) > 0)
    assert pieces(letters, starts, continues).values.tolist() == ids
