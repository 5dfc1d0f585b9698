"""Cleaning recipes: pure functions from a line of text to a clean one, or to a reason.

A recipe is data: an ordered list of named rules with their options, and filters. Its
hash goes into every manifest, so that a model's text can be told from any other's.

The default recipe never deletes, splits or merges a Hangul syllable, never touches a
digit outside a URL, and cleaning twice changes nothing.
"""

import dataclasses
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import emoji

from data_prep.cli import UserError

Rule = Callable[[str], str]

# Zero-width and formatting characters. Inside an emoji sequence ZWJ and the variation
# selectors carry meaning and stay.
_ZERO_WIDTH = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_PUNCTUATION = (
    "!-/:-@\\[-`{-~"  # ASCII
    "·…‥‘’“”′″、。〃〈〉《》「」『』【】〔〕～―–—※§¶†‡•∼∙"
    "₩￦€£¥¢℃℉％°±×÷≠≤≥∞√½⅓¼¾²³→←↑↓↔⇒⇔"
    "☆★○●◎◇◆□■△▲▽▼▷▶◁◀♡♥♤♠♧♣♪♬♩①-⑳ⓐ-ⓩ㈜㎏㎜㎝㎞㎡㏄"
)
_LATIN = "A-Za-zÀ-ÖØ-öø-ſ"
_JAMO = "ㄱ-ㆎ"
_HANJA = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_URL = re.compile(r"(?:https?://|www\.)[!-~]+", re.IGNORECASE)


# Every emoji holds one of these; most lines hold none and are spared the long pattern.
_MAYBE_EMOJI = re.compile("[^\x00-\x7f가-힣ㄱ-ㆎ]")


@functools.cache
def _emoji_pattern() -> re.Pattern:
    """Whole sequences of the emoji package's table, longest first."""
    sequences = sorted(emoji.EMOJI_DATA, key=len, reverse=True)
    # Most characters begin no emoji: they are spared the thousands of alternatives.
    first = re.escape("".join(sorted({sequence[0] for sequence in sequences})))
    return re.compile(f"((?=[{first}])(?:{'|'.join(map(re.escape, sequences))}))")


def _split_emoji(text: str) -> list[str]:
    """Text and emoji sequences in turn: [text, emoji, text, ..., text]."""
    return _emoji_pattern().split(text) if _MAYBE_EMOJI.search(text) else [text]


def _outside_emoji(rule: Rule) -> Rule:
    def apply(text: str) -> str:
        parts = _split_emoji(text)
        parts[::2] = map(rule, parts[::2])
        return "".join(parts)

    return apply


def _remove_zero_width() -> Rule:
    pattern = re.compile(f"[{_ZERO_WIDTH}]")
    strip = _outside_emoji(lambda text: pattern.sub("", text))
    return lambda text: strip(text) if pattern.search(text) else text


def _nfc() -> Rule:
    return lambda text: unicodedata.normalize("NFC", text)


@functools.cache
def _letter_table() -> dict[int, str]:
    """Half-width and conjoining jamo to compatibility jamo; wide ASCII to ASCII."""
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table[0x3000] = " "
    kinds = ("HALFWIDTH HANGUL LETTER ", "HANGUL CHOSEONG ", "HANGUL JUNGSEONG ")
    for code in (*range(0x1100, 0x1200), *range(0xFFA1, 0xFFDD)):
        name = unicodedata.name(chr(code), "")
        for kind in (*kinds, "HANGUL JONGSEONG "):
            if name.startswith(kind):
                try:
                    letter = unicodedata.lookup("HANGUL LETTER " + name[len(kind) :])
                except KeyError:  # an archaic letter without a compatibility form
                    continue
                table[code] = letter
    return table


def _map_letters() -> Rule:
    table = _letter_table()
    pattern = re.compile("[\u1100-\u11ff\u3000\uff01-\uff5e\uffa1-\uffdc]")
    return lambda text: text.translate(table) if pattern.search(text) else text


def _keep(hanja: bool) -> Rule:
    """Anything else becomes a space, so that no two words are joined."""
    kept = f"0-9 가-힣{_JAMO}{_LATIN}{_PUNCTUATION}{_HANJA if hanja else ''}"
    other = re.compile(f"[^{kept}]+")

    def replace(text: str) -> str:
        return other.sub(" ", text)

    def apply(text: str) -> str:
        if not other.search(text):
            return text
        parts = _split_emoji(text)
        parts[::2] = map(replace, parts[::2])
        return "".join(parts)

    return apply


def _remove_urls() -> Rule:
    # A keycap emoji begins with a character that a URL may hold.
    remove = _outside_emoji(lambda text: _URL.sub(" ", text))
    return lambda text: remove(text) if _URL.search(text) else text


def _shorten_runs(max_run: int) -> Rule:
    """Shortens runs of one Latin letter, jamo, punctuation mark or emoji.

    Digits and syllables are left alone: 2000000 and 와아아아 mean what they say.
    """
    repeated = re.compile(f"([{_LATIN}{_JAMO}{_PUNCTUATION}])\\1{{{max_run},}}")

    def shorten(match: re.Match) -> str:
        return match[1] * max_run

    def apply(text: str) -> str:
        parts = _split_emoji(text)
        parts[::2] = [repeated.sub(shorten, part) for part in parts[::2]]
        kept, run, previous = parts[:1], 0, ""
        for symbol, after in zip(parts[1::2], parts[2::2], strict=True):
            run = run + 1 if symbol == previous and not kept[-1] else 1
            previous = symbol
            kept += [symbol if run <= max_run else "", after]
        return "".join(kept)

    return apply


def _squeeze_space() -> Rule:
    return lambda text: " ".join(text.split())


_RULES: dict[str, Callable[..., Rule]] = {
    "remove_zero_width": _remove_zero_width,
    "nfc": _nfc,
    "map_letters": _map_letters,
    "keep": _keep,
    "remove_urls": _remove_urls,
    "shorten_runs": _shorten_runs,
    "squeeze_space": _squeeze_space,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Rules in order, then filters.

    Attributes:
      min_characters, max_characters: of the clean line; others are dropped.
      min_hangul_share: of the clean line's characters other than spaces.
    """

    name: str
    version: int
    rules: tuple[tuple[str, dict[str, Any]], ...]
    min_characters: int
    max_characters: int
    min_hangul_share: float

    def hash(self) -> str:
        """16 hexadecimal digits over every field."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="default",
            version=1,
            rules=(
                ("remove_zero_width", {}),
                ("nfc", {}),
                ("map_letters", {}),
                ("keep", {"hanja": True}),
                ("remove_urls", {}),
                ("shorten_runs", {"max_run": 3}),
                ("squeeze_space", {}),
            ),
            min_characters=4,
            max_characters=10_000,
            min_hangul_share=0.1,
        ),
    )
}

_HANGUL = re.compile("[가-힣ㄱ-ㆎ]")


def get_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise UserError(
            f"--recipe={name}: no such recipe; there is {', '.join(RECIPES)}"
        )
    return RECIPES[name]


class Cleaner:
    """A recipe made ready to run."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._rules = [
            (name, _RULES[name](**options)) for name, options in recipe.rules
        ]

    def clean(self, text: str) -> str:
        for _, rule in self._rules:
            text = rule(text)
        return text

    def clean_counting(self, text: str, changed: dict[str, int]) -> str:
        """As `clean`; adds 1 to `changed[rule]` for each rule that changed the line."""
        for name, rule in self._rules:
            before, text = text, rule(text)
            if text != before:
                changed[name] = changed.get(name, 0) + 1
        return text

    def drop_reason(self, text: str) -> str | None:
        """empty, too_short, too_long or low_hangul; None if a clean line is kept."""
        if not text:
            return "empty"
        if len(text) < self.recipe.min_characters:
            return "too_short"
        if len(text) > self.recipe.max_characters:
            return "too_long"
        hangul = len(_HANGUL.findall(text))
        if hangul < self.recipe.min_hangul_share * (len(text) - text.count(" ")):
            return "low_hangul"
        return None
