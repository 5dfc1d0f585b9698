"""Cleans text as the corpus of this model was cleaned.

    import cleaning
    cleaning.clean(text)  # one line; line feeds count as spaces

DESCRIPTION
This file needs Python 3.10 or newer and nothing else. It changes lines; it drops none.
"""

import functools
import re
import unicodedata

from data_prep.rules.emoji_table import EMOJI, EMOJI_COMPONENTS
from data_prep.rules.pii import find

STEPS = ()

_ZWJ = "\u200d"


@functools.cache
def _emoji_lengths() -> dict[str, list[int]]:
    """By first character, longest first."""
    found: dict[str, set[int]] = {}
    for sequence in EMOJI:
        found.setdefault(sequence[0], set()).add(len(sequence))
    return {first: sorted(lengths, reverse=True) for first, lengths in found.items()}


@functools.cache
def _emoji_prefixes() -> frozenset[str]:
    return frozenset(e[:length] for e in EMOJI for length in range(1, len(e) + 1))


def _split_emoji(text: str) -> list[str]:
    """Text and emoji in turn: [text, emoji, text, ..., text]."""
    parts, done, lengths_of = [], 0, _emoji_lengths()
    for start, character in enumerate(text):
        for length in lengths_of.get(character, ()) if start >= done else ():
            if text[start : start + length] in EMOJI:
                parts += [text[done:start], text[start : start + length]]
                done = start + length
                break
    return [*parts, text[done:]]


@functools.cache
def _table(source: str, target: str) -> dict[int, int]:
    return str.maketrans(source, target)


def _sub(text: str, pattern: str, replacement: str) -> str:
    return re.sub(pattern, replacement, text)


def _sub_outside_emoji(text: str, pattern: str, replacement: str) -> str:
    parts = _split_emoji(text)
    parts[::2] = [re.sub(pattern, replacement, part) for part in parts[::2]]
    return "".join(parts)


def _shorten_emoji(text: str, max_run: int) -> str:
    first, *rest = _split_emoji(text)
    kept, run, previous, between = [first], 0, "", ""
    for symbol, after in zip(rest[::2], rest[1::2], strict=True):
        run = run + 1 if symbol == previous and not between else 1
        kept += [symbol if run <= max_run else "", after]
        previous, between = symbol, after
    return "".join(kept)


def _remove_emoji(text: str) -> str:
    """As emoji.replace_emoji of the package emoji: ZWJ between emoji goes, and all
    variation selectors."""
    # `kept` holds characters and emoji; those before `fence` are settled.
    kept: list[tuple[str, bool]] = []
    fence, joiners, at = 0, set(), 0
    while at < len(text):
        character, end = text[at], _end_of_emoji(text, at, joiners)
        if at in joiners:
            at += 1
        elif end:
            kept.append((text[at:end], True))
            at = end
        elif character == _ZWJ and _may_join(kept[fence:], text[at - 1]):
            # What stands before it was matched in the hope of a longer emoji.
            joiners.add(at)
            back = 2 if kept[-1][0] in EMOJI_COMPONENTS else 1
            back = min(back, len(kept) - fence)
            at -= sum(len(found) for found, _ in kept[-back:])
            if kept[-1][0] in EMOJI_COMPONENTS and text[at] == _ZWJ:
                at, back = at + 1, 1
            del kept[-back:]
        else:
            if character not in _emoji_prefixes():
                fence = len(kept)
            if character not in "\ufe0e\ufe0f":
                kept.append((character, False))
            at += 1
    return "".join(found for found, is_emoji in kept if not is_emoji)


def _end_of_emoji(text: str, start: int, joiners: set[int]) -> int:
    """Where the emoji at `start` ends; 0 if none does. It must use up every character
    that could go on an emoji."""
    end = start
    while end < len(text) and end not in joiners:
        if text[start : end + 1] not in _emoji_prefixes():
            break
        end += 1
    return end if text[start:end] in EMOJI else 0


def _may_join(kept: list[tuple[str, bool]], before: str) -> bool:
    return bool(kept) and kept[-1][0] in EMOJI and before in _emoji_prefixes()


def _put(text: str, spans: list[tuple[int, int, str]]) -> str:
    """Puts tokens at (start, end, token), apart from a like bracket beside them."""
    pieces, done = [], 0
    for start, end, token in spans:
        before = " " if start and text[start - 1] == token[0] else ""
        after = " " if text[end : end + 1] == token[-1] else ""
        pieces += [text[done:start], before, token, after]
        done = end
    return "".join([*pieces, text[done:]])


def _mask(text: str, pattern: str, token: str) -> str:
    found = re.finditer(pattern, text)
    return _put(text, [(*match.span(), token) for match in found])


def _mask_pii(text: str, tokens: dict[str, str]) -> str:
    while found := [span for span in find(text) if span.kind in tokens]:
        text = _put(text, [(s.start, s.end, tokens[s.kind]) for s in found])
    return text


_OPERATIONS = {
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "translate": lambda text, *tables: text.translate(_table(*tables)),
    "sub": _sub,
    "sub_outside_emoji": _sub_outside_emoji,
    "shorten_emoji": _shorten_emoji,
    "remove_emoji": _remove_emoji,
    "squeeze_space": lambda text: " ".join(text.split()),
    "strip": str.strip,
    "mask": _mask,
    "mask_pii": _mask_pii,
}


def clean(text: str) -> str:
    """One clean line."""
    text = text.replace("\n", " ")
    for operation, *arguments in STEPS:
        text = _OPERATIONS[operation](text, *arguments)
    return text
