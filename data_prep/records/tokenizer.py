"""Lines of text -> token ids, several times as fast as `tokenizers`, and the same ids.

A BERT tokenizer handles each character (normalizer, pre-tokenizer) and each word
(WordPiece) independently, so both can be done for many lines at once. `tokenizers` gets
the rest: a few unusual lines, or every line for other kinds of tokenizer.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from data_prep.records import ragged
from data_prep.records.ragged import Ragged
from data_prep.records.wordpiece import WordPiece

# Kinds of characters. A mark is a word of its own; odd characters are the remaining
# ones, such as control characters, which the normalizer drops.
_UNSEEN, _ODD, _SPACE, _MARK, _LETTER = range(5)
_CODE_POINTS = 0x110000


class LineTokenizer:
    """Gives exactly the ids of `tokenizers`, without special tokens around the line."""

    def __init__(self, tokenizer_json: str):
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        description = json.loads(tokenizer_json)
        self._added_tokens = [t["content"] for t in description["added_tokens"]]
        self._vectorized = None
        if _looks_at_one_character_at_a_time(self._tokenizer, description):
            self._vectorized = _Vectorized(self._tokenizer, description["model"])

    @property
    def is_vectorized(self) -> bool:
        return self._vectorized is not None

    def __call__(self, lines: list[str]) -> Ragged:
        """Token ids, int32, one row per line. Lines contain no newline."""
        if self._vectorized is None:
            return self._encode_each(lines)
        text = "\n".join([*lines, ""])
        ids, is_odd = self._vectorized(text)
        for token in self._added_tokens:
            if token in text:
                is_odd |= np.fromiter((token in line for line in lines), bool)
        (odd,) = np.nonzero(is_odd)
        if not len(odd):
            return ids
        rows = np.arange(len(lines))
        rows[odd] = len(lines) + np.arange(len(odd))
        exact = self._encode_each(lines[index] for index in odd)
        return ragged.concatenate([ids, exact]).take(rows)

    def _encode_each(self, lines: Iterable[str]) -> Ragged:
        encode = self._tokenizer.encode_batch_fast
        encodings = encode(list(lines), add_special_tokens=False)
        return Ragged.from_rows([encoding.ids for encoding in encodings])


def _looks_at_one_character_at_a_time(
    tokenizer: Tokenizer, description: dict[str, Any]
) -> bool:
    """Whether `_Vectorized` can replace a tokenizer.

    It cannot if the tokenizer splits Hangul syllables, or finds added tokens in the
    normalized text that are not in the text itself.
    """
    parts = ("normalizer", "pre_tokenizer", "model")
    kinds = [(description[part] or {}).get("type") for part in parts]
    if kinds != ["BertNormalizer", "BertPreTokenizer", "WordPiece"]:
        return False
    normalize = tokenizer.normalizer.normalize_str
    return normalize("한é") == "한é" and not any(
        token["normalized"]
        and (
            description["normalizer"]["lowercase"]
            or token["content"].split() != [normalize(token["content"])]
        )
        for token in description["added_tokens"]
    )


class _Vectorized:
    """Normalizer, pre-tokenizer and WordPiece for many lines at once."""

    def __init__(self, tokenizer: Tokenizer, model: dict[str, Any]):
        vocab, prefix = model["vocab"], model["continuing_subword_prefix"]
        self._tokenizer = tokenizer
        marks = {
            character
            for character, seen in _classify(tokenizer, set().union(*vocab)).items()
            if seen.kind == _MARK
        }

        def words(tokens: dict[str, int]) -> dict[str, int]:
            """Without those that the pre-tokenizer would split."""
            return {t: i for t, i in tokens.items() if len(t) == 1 or not marks & {*t}}

        inner = {t[len(prefix) :]: i for t, i in vocab.items() if t.startswith(prefix)}
        inner.pop("", None)
        self._wordpiece = WordPiece(
            first=words(vocab),
            inner=words(inner),
            unk_id=vocab[model["unk_token"]],
            max_letters=model["max_input_chars_per_word"],
        )
        self._kinds = np.full(_CODE_POINTS, _UNSEEN, np.uint8)
        self._letters = np.zeros(_CODE_POINTS, np.int32)

    def __call__(self, text: str) -> tuple[Ragged, np.ndarray]:
        """Ids of newline-terminated lines, and [lines] whether they may be wrong."""
        points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        kinds = self._kinds[points]
        if not kinds.all():
            self._learn(points[kinds == _UNSEEN])
            kinds = self._kinds[points]
        is_letter = kinds == _LETTER
        continues = np.zeros(len(points), bool)
        continues[1:] = is_letter[1:] & is_letter[:-1]
        starts = np.flatnonzero((kinds >= _MARK) & ~continues)
        words = self._wordpiece(self._letters[points], starts, continues)
        line_ends = np.flatnonzero(points == ord("\n"))
        words_before = np.searchsorted(starts, line_ends)
        offsets = words.offsets[np.concatenate([[0], words_before])]
        is_odd = np.zeros(len(line_ends), bool)
        is_odd[np.searchsorted(line_ends, np.flatnonzero(kinds == _ODD))] = True
        return Ragged(words.values, offsets), is_odd

    def _learn(self, points: np.ndarray) -> None:
        characters = map(chr, np.unique(points).tolist())
        for character, seen in _classify(self._tokenizer, characters).items():
            number = self._wordpiece.number(seen.normal) if seen.normal else 0
            self._kinds[ord(character)] = seen.kind
            self._letters[ord(character)] = number


class _Character(NamedTuple):
    kind: int
    normal: str  # The form of a mark or letter in the vocabulary.


def _classify(tokenizer: Tokenizer, characters: Iterable[str]) -> dict[str, _Character]:
    """Tokenizes each character between two letters and looks at the result."""
    characters = list(characters)
    text = "".join(f"b a{character}a " for character in characters)
    normal = tokenizer.normalizer.normalize_str(text)
    groups: list[list[str]] = []
    for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal):
        groups.append([]) if word == "b" else groups[-1].append(word)
    return {
        character: _kind(words)
        for character, words in zip(characters, groups, strict=True)
    }


def _kind(words: list[str]) -> _Character:
    match words:
        case [word] if len(word) == 3:
            return _Character(_LETTER, word[1])
        case ["a", mark, "a"] if len(mark) == 1:
            return _Character(_MARK, mark)
        case ["a", "a"]:
            return _Character(_SPACE, "")
    return _Character(_ODD, "")
