"""Evaluation texts that are kept out of training text."""

import bisect
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import ahocorasick_rs

from common.errors import UserError
from data_prep.raw import inputs, jsonl, reader

FORMATS = (".txt", ".tsv", ".csv", ".json", ".jsonl")
_HANGUL = re.compile("[가-힣]")
_NOT_WORDS = re.compile(r"[^\w\n]|_")


def normalize(text: str) -> str:
    """Letters, digits and line ends alone, compatibility forms and case folded.

    Texts that differ only in spacing, punctuation or emoji become equal.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORDS.sub("", folded)


def read_texts(patterns: Sequence[str]) -> list[str]:
    """Every text of evaluation files that contains Hangul, normalised, sorted.

    Each cell of a .tsv or .csv, each string of a .json or .jsonl, each line of a .txt.

    Raises:
      UserError: no such file, an unknown format, not UTF-8, or nothing in Hangul.
    """
    texts: set[str] = set()
    for path in inputs.find(patterns, "--exclude"):
        try:
            normal = {normalize(text).replace("\n", "") for text in _strings(path)}
        except UserError as error:
            raise UserError(f"--exclude: {error}") from error
        korean = {text for text in normal if _HANGUL.search(text)}
        if not korean:
            raise UserError(f"--exclude: {path} contains no Korean text")
        texts |= korean
    return sorted(texts)


def _strings(path: str) -> Iterator[str]:
    extension, lines = inputs.extension(path), reader.read_lines(path)
    if extension == ".json":
        text = "\n".join(line for _, line in lines)
        yield from _leaves(jsonl.parse_value(text, path))
    elif extension == ".jsonl":
        for number, line in lines:
            if line:
                yield from _leaves(jsonl.parse_value(line, f"{path}: line {number}"))
    elif extension in (".txt", ".tsv", ".csv"):
        separator = {".tsv": "\t", ".csv": ","}.get(extension)
        for _, line in lines:
            # Its cells also, as a reader that ignores quotes would split them.
            yield line
            yield from line.split(separator) if separator else ()
    else:
        raise UserError(f"{path}: names end in {', '.join(FORMATS)}")


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


class Excluder:
    """Finds lines that equal or contain an evaluation text.

    Args:
      texts: normalised, see `read_texts`.
      min_characters: shorter texts, such as a review of one word, exclude only lines
        that equal them.
    """

    def __init__(self, texts: Sequence[str], min_characters: int):
        self._texts = frozenset(texts)
        self._patterns = [text for text in texts if len(text) >= min_characters]
        self._automaton = ahocorasick_rs.AhoCorasick(self._patterns)

    def find(self, lines: Sequence[str]) -> dict[int, str]:
        """{index of a line: the evaluation text that it equals or contains}."""
        text = normalize("\n".join(lines))
        normal = text.split("\n")
        matches = {
            index: line for index, line in enumerate(normal) if line in self._texts
        }
        if self._patterns:
            starts = [0, *accumulate(len(line) + 1 for line in normal)]
            for pattern, start, _ in self._automaton.find_matches_as_indexes(text):
                index = bisect.bisect_right(starts, start) - 1
                matches.setdefault(index, self._patterns[pattern])
        return matches
