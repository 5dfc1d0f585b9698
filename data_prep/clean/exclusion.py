"""Evaluation texts kept out of training text."""

import bisect
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import ahocorasick_rs

from common import files
from common.cli import UserError
from data_prep.raw import slices

FORMATS = (".txt", ".tsv", ".csv", ".json", ".jsonl")
_HANGUL = re.compile("[가-힣]")
_NOT_WORDS = re.compile(r"[^\w\n]|_")


def normalize(text: str) -> str:
    """Letters and digits alone, compatibility forms and case folded; keeps line ends.

    What remains equal through other spacing, punctuation or emoji is the same text.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORDS.sub("", folded)


def read_texts(patterns: Sequence[str]) -> list[str]:
    """Every text of evaluation files that holds Hangul, normalised, sorted.

    Each cell of a .tsv or .csv, each string of a .json or .jsonl, each line of a .txt.

    Raises:
      UserError: no such file, an unknown format, not UTF-8, or nothing in Hangul.
    """
    texts: set[str] = set()
    for path in slices.find_inputs(patterns, "--exclude"):
        found = {normalize(text).replace("\n", "") for text in _strings(path)}
        found = {text for text in found if _HANGUL.search(text)}
        if not found:
            raise UserError(f"--exclude: {path} holds no Korean text")
        texts |= found
    return sorted(texts)


def _strings(path: str) -> Iterator[str]:
    try:
        text = files.read_text(path).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UserError(f"--exclude: {path} is not UTF-8: {error}") from error
    if path.endswith(".json"):
        yield from _leaves(_parse(path, text))
    elif path.endswith(".jsonl"):
        for line in filter(None, text.split("\n")):
            yield from _leaves(_parse(path, line))
    elif path.endswith((".tsv", ".csv", ".txt")):
        separator = {".tsv": "\t", ".csv": ","}.get(path[-4:])
        for line in text.split("\n"):
            # A cell, and what a reader that heeds no quotes takes for several cells.
            yield line
            yield from line.split(separator) if separator else ()
    else:
        raise UserError(f"--exclude: {path}: names end in {', '.join(FORMATS)}")


def _parse(path: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"--exclude: {path} is not JSON: {error}") from error


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


class Excluder:
    """Finds lines that equal an evaluation text, or contain one.

    Args:
      texts: normalised, see `read_texts`.
      min_characters: of a text that a line may not contain; a shorter one, such as a
        review of one word, only excludes lines equal to it.
    """

    def __init__(self, texts: Sequence[str], min_characters: int):
        self._texts = frozenset(texts)
        self._patterns = [text for text in texts if len(text) >= min_characters]
        self._automaton = ahocorasick_rs.AhoCorasick(self._patterns)

    def find(self, lines: Sequence[str]) -> dict[int, str]:
        """{index of a line: the evaluation text found in it}."""
        text = normalize("\n".join(lines))
        normal = text.split("\n")
        found = {
            index: line for index, line in enumerate(normal) if line in self._texts
        }
        if self._patterns:
            starts = [0, *accumulate(len(line) + 1 for line in normal)]
            for pattern, start, _ in self._automaton.find_matches_as_indexes(text):
                index = bisect.bisect_right(starts, start) - 1
                found.setdefault(index, self._patterns[pattern])
        return found
