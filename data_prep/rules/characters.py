"""Classes of characters: as sets, as parts of regular expressions, and as tables."""

import functools
import itertools
import re
import string
import sys
from collections.abc import Iterable

import numpy as np

from data_prep.rules.emoji_table import EMOJI


def _between(*ends: str) -> frozenset[str]:
    """The characters of the ranges, each given as its first and last character."""
    return frozenset(
        chr(code) for first, last in ends for code in range(ord(first), ord(last) + 1)
    )


ASCII = _between("\x00\x7f")
DIGITS = frozenset(string.digits)
HANGUL = _between("가힣")
JAMO = _between("ㄱㆎ")
HANJA = _between("\u3400\u4dbf", "\u4e00\u9fff", "\uf900\ufaff")
LATIN = _between("AZ", "az", "ÀÖ", "Øö", "øſ")
PUNCTUATION = frozenset(
    string.punctuation
    + "·…‥‘’“”′″、。〃〈〉《》「」『』【】〔〕～―–—※§¶†‡•∼∙"
    + "₩￦€£¥¢℃℉％°±×÷≠≤≥∞√½⅓¼¾²³→←↑↓↔⇒⇔"
    + "☆★○●◎◇◆□■△▲▽▼▷▶◁◀♡♥♤♠♧♣♪♬♩㈜㎏㎜㎝㎞㎡㏄"
) | _between("①⑳", "ⓐⓩ")
# Zero-width and formatting characters. ZWJ and the variation selectors are also parts
# of emoji.
ZERO_WIDTH = _between(
    "\u00ad\u00ad",
    "\u180e\u180e",
    "\u200b\u200f",
    "\u202a\u202e",
    "\u2060\u206f",
    "\ufe00\ufe0f",
    "\ufeff\ufeff",
)
SPACE = frozenset(filter(str.isspace, _between("\x00\u3000")))
# Emoji are sequences of these. Only keycaps also contain ASCII, as first character.
EMOJI_PARTS = frozenset("".join(EMOJI)) - ASCII
KEYCAP_BASES = frozenset("0123456789#*")
# Follows a # or a digit that begins a keycap emoji.
KEYCAP_END = "(?:\ufe0f?\u20e3)"

# Further letters that raw text may contain.
_WIDE = _between("！～")
_WIDE_DIGITS = _between("０９")
_WIDE_LATIN = _between("ＡＺ", "ａｚ")
_OTHER_JAMO = _between("\u1100\u11ff", "\ua960\ua97c", "\ud7b0\ud7fb", "\uffa1\uffdc")
_OTHER_HANJA = _between("\U00020000\U000323af")

# A character of several classes belongs to the last of them here.
_CLASSES = {
    "other": frozenset[str](),
    "space": SPACE,
    "hangul": HANGUL,
    "jamo": JAMO | _OTHER_JAMO,
    "latin": LATIN | _WIDE_LATIN,
    "digit": DIGITS | _WIDE_DIGITS,
    "hanja": HANJA | _OTHER_HANJA,
    "emoji": EMOJI_PARTS,
    "punctuation": PUNCTUATION | _WIDE - _WIDE_LATIN - _WIDE_DIGITS,
}
CLASS_NAMES = tuple(_CLASSES)


def regex_class(characters: Iterable[str]) -> str:
    """The inside of the [] of a regular expression that matches any of these."""
    codes = sorted(map(ord, characters))
    runs = itertools.groupby(enumerate(codes), lambda item: item[1] - item[0])
    parts = []
    for _, run in runs:
        first, *rest = (chr(code) for _, code in run)
        parts.append(re.escape(first) + (f"-{re.escape(rest[-1])}" if rest else ""))
    return "".join(parts)


def code_points(text: str) -> np.ndarray:
    """[len(text)] uint32; half a surrogate pair counts as a character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def one_of(characters: Iterable[str]) -> np.ndarray:
    """[0x110000] bool: whether a code point is one of the characters."""
    table = np.zeros(sys.maxunicode + 1, bool)
    table[[ord(character) for character in characters]] = True
    return table


@functools.cache
def class_table() -> np.ndarray:
    """[0x110000] uint8: for each code point, the index of its class in CLASS_NAMES."""
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    for index, characters in enumerate(_CLASSES.values()):
        table[[ord(character) for character in characters]] = index
    return table


def irregular_space(codes: np.ndarray) -> np.ndarray:
    """[n] bool: white space other than line feeds and single spaces inside lines.

    All of several spaces in a row are flagged.

    Args:
      codes: [n] code points.
    """
    space, ends = codes == ord(" "), codes == ord("\n")
    blank = space | ends
    flags = (class_table()[codes] == CLASS_NAMES.index("space")) & ~blank
    flags[1:] |= space[1:] & blank[:-1]
    flags[:-1] |= space[:-1] & blank[1:]
    return flags


def character_classes(text: str) -> dict[str, int]:
    """Characters of each class in raw or clean text; line ends are not counted."""
    classes = class_table()[code_points(text)]
    counts = np.bincount(classes, minlength=len(CLASS_NAMES)).tolist()
    by_name = dict(zip(CLASS_NAMES, counts, strict=True))
    by_name["space"] -= text.count("\n")
    return by_name
