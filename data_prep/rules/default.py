"""The rules of the default recipe: from a block to a clean block.

None of them deletes, splits or merges a Hangul syllable, breaks an emoji or touches a
digit outside a URL.
"""

import functools
import re
import unicodedata

import numpy as np

from data_prep.rules import characters, emoji_text
from data_prep.rules.blocks import (
    Rule,
    each_line,
    lines_matching,
    lines_where,
    lines_with_any,
    lines_with_other,
)
from data_prep.rules.characters import one_of, regex_class

_LETTERS = characters.HANGUL | characters.JAMO | characters.LATIN | characters.DIGITS
_KEPT = _LETTERS | characters.PUNCTUATION | {" "}
# Normal forms leave these alone, and none of them joins the character before it.
NFC_SAFE = (
    _KEPT
    | characters.ASCII
    | characters.EMOJI_PARTS
    | characters.ZERO_WIDTH
    | {c for c in characters.HANJA if c < "\uf900"}
)


# A keycap emoji begins with a character that a URL may hold; and a special token may
# stand after what looks like a scheme.
_HOSTS = (r"www\.", r"WWW\.", r"Www\.")
URL = (
    rf"(?:(?i:https?)://|{'|'.join(_HOSTS)})(?![\[{{])"
    f"(?:[!-~](?!{emoji_text.KEYCAP_END}))+"
)


def _outside_emoji(pattern: re.Pattern, replacement: str) -> emoji_text.Rewrite:
    def rewrite(parts: list[str]) -> list[str]:
        parts[::2] = [pattern.sub(replacement, text) for text in parts[::2]]
        return parts

    return rewrite


def remove_zero_width() -> Rule:
    """Removes zero-width and formatting characters that are no part of an emoji."""
    zero_width = characters.ZERO_WIDTH
    remove = _outside_emoji(re.compile(f"[{regex_class(zero_width)}]"), "")
    return lines_with_any(zero_width, emoji_text.rewrite_stretches(zero_width, remove))


def nfc() -> Rule:
    """Unicode normal form C: conjoining jamo become syllables."""
    # On a block: a line feed is a boundary of normal forms.
    normalize = functools.partial(unicodedata.normalize, "NFC")
    return lines_with_other(NFC_SAFE, normalize)


@functools.cache
def letter_table() -> dict[int, str]:
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


def map_letters() -> Rule:
    """Maps half-width and conjoining jamo, wide ASCII and the wide space."""
    table = letter_table()
    return lines_with_any(map(chr, table), lambda block: block.translate(table))


def kept_characters(hanja: bool) -> frozenset[str]:
    """What `keep` keeps besides emoji."""
    return _KEPT | characters.HANJA if hanja else _KEPT


def keep(hanja: bool) -> Rule:
    """Keeps letters, digits, common punctuation and emoji.

    Anything else becomes a space, so that no two words are joined.
    """
    kept = kept_characters(hanja)
    replace = _outside_emoji(re.compile(f"[^{regex_class(kept)}]+"), " ")
    # Lines with no more than emoji of one character need no look.
    settled = kept | emoji_text.LONE_EMOJI
    return lines_with_other(settled, emoji_text.rewrite_all_but(kept, replace))


def remove_urls() -> Rule:
    """URLs with a scheme or www. become a space."""
    url = re.compile(URL)
    return lines_matching(("://", *_HOSTS), lambda line: url.sub(" ", line))


def run_pattern(max_run: int) -> str:
    """Matches a run of more than `max_run` of what shorten_runs shortens, but emoji."""
    shortened = characters.LATIN | characters.JAMO | characters.PUNCTUATION
    return (
        f"([{regex_class(shortened - characters.EMOJI_PARTS)}])\\1{{{max_run},}}"
        f"(?!{emoji_text.KEYCAP_END})"
    )


def shorten_runs(max_run: int) -> Rule:
    """Shortens runs of one Latin letter, jamo, punctuation mark or emoji.

    Digits and syllables are left alone: 2000000 and 와아아아 mean what they say.
    """
    repeated = re.compile(run_pattern(max_run))

    def shorten_emoji(parts: list[str]) -> list[str]:
        kept, run, previous = parts[:1], 0, ""
        for symbol, after in zip(parts[1::2], parts[2::2], strict=True):
            run = run + 1 if symbol == previous and not kept[-1] else 1
            previous = symbol
            kept += [symbol if run <= max_run else "", after]
        return kept

    shorten_all_emoji = emoji_text.rewrite_stretches(frozenset(), shorten_emoji)
    may_hold_run = functools.partial(
        _may_hold_run, max_run, one_of(emoji_text.SECOND_PARTS)
    )
    return lines_where(
        may_hold_run,
        lambda block: shorten_all_emoji(
            repeated.sub(lambda match: match[1] * max_run, block)
        ),
    )


def _may_hold_run(max_run: int, longer: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """[n] bool: more than `max_run` of one character, or parts of longer emoji."""
    flags = longer[codes]
    same = codes[1:] == codes[:-1]
    run = same[: len(same) - max_run + 1].copy()
    for shift in range(1, max_run):
        run &= same[shift : len(same) - max_run + 1 + shift]
    flags[: len(run)] |= run
    return flags


def squeeze_space() -> Rule:
    """White space within a line becomes one space, at its ends nothing."""
    squeeze = each_line(lambda line: " ".join(line.split()))
    return lines_where(characters.irregular_space, squeeze)
