"""Every cleaning rule, in one table.

A rule is data: steps, and how to find the lines that they may change. The pipeline runs
the steps on these lines, the exported cleaning.py on every line, and the SavedModel
runs those that TensorFlow can.

To change a rule, change it here. A new one is a function here, its name in RULES, and
its place in the list of a recipe (recipes.py). Its options are the function's arguments
and come from the recipe.
"""

import functools
import re
import string
import unicodedata
from collections.abc import Callable

import numpy as np

from common.errors import UserError
from data_prep.rules import characters, emoji_text, pii
from data_prep.rules.characters import one_of, regex_class
from data_prep.rules.line_blocks import flagged, matching, with_any, with_other
from data_prep.rules.steps import Rule, Step


def _sub(pattern: str, replacement: str) -> tuple[Step, ...]:
    return (("sub", pattern, replacement),)


# Rules of the default recipe. None of them deletes, splits or merges a Hangul syllable,
# breaks an emoji or touches a digit outside a URL.

_LETTERS = characters.HANGUL | characters.JAMO | characters.LATIN | characters.DIGITS
_KEPT = _LETTERS | characters.PUNCTUATION | {" "}
# NFC changes none of these, and none of them joins the character before it.
NFC_SAFE = (
    _KEPT
    | characters.ASCII
    | characters.EMOJI_PARTS
    | characters.ZERO_WIDTH
    | {c for c in characters.HANJA if c < "\uf900"}
)

# A URL does not take the first character of a keycap emoji, and a special token may
# follow what looks like a scheme.
_HOSTS = (r"www\.", r"WWW\.", r"Www\.")
_URL = (
    rf"(?:(?i:https?)://|{'|'.join(_HOSTS)})(?![\[{{])"
    f"(?:[!-~](?!{characters.KEYCAP_END}))+"
)


def _remove_zero_width() -> Rule:
    """Removes zero-width and formatting characters that are not part of an emoji."""
    zero_width = characters.ZERO_WIDTH
    pattern = f"[{regex_class(zero_width)}]"
    return Rule((("sub_outside_emoji", pattern, ""),), with_any(zero_width))


def _nfc() -> Rule:
    """Unicode normal form C: conjoining jamo become syllables."""
    return Rule((("nfc",),), with_other(NFC_SAFE))


@functools.cache
def _letter_table() -> dict[str, str]:
    """Half-width and conjoining jamo to compatibility jamo; wide ASCII to ASCII."""
    table = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table["\u3000"] = " "
    kinds = ("HALFWIDTH HANGUL LETTER ", "HANGUL CHOSEONG ", "HANGUL JUNGSEONG ")
    for letter in map(chr, (*range(0x1100, 0x1200), *range(0xFFA1, 0xFFDD))):
        name = unicodedata.name(letter, "")
        for kind in (*kinds, "HANGUL JONGSEONG "):
            if name.startswith(kind):
                try:
                    jamo = unicodedata.lookup("HANGUL LETTER " + name[len(kind) :])
                except KeyError:  # an archaic letter without a compatibility form
                    continue
                table[letter] = jamo
    return table


def _map_letters() -> Rule:
    """Maps half-width and conjoining jamo, wide ASCII and the wide space."""
    table = _letter_table()
    step = ("translate", "".join(table), "".join(table.values()))
    return Rule((step,), with_any(table))


def _keep(hanja: bool) -> Rule:
    """Keeps letters, digits, common punctuation and emoji.

    Anything else becomes a space, so that no two words are joined.
    """
    kept = _KEPT | characters.HANJA if hanja else _KEPT
    step = ("sub_outside_emoji", f"[^{regex_class(kept)}]+", " ")
    return Rule((step,), with_other(kept | emoji_text.LONE_EMOJI))


def _remove_urls() -> Rule:
    """URLs with a scheme or www. become a space."""
    return Rule(_sub(_URL, " "), matching("://", *_HOSTS))


def _shorten_runs(max_run: int) -> Rule:
    """Shortens runs of one Latin letter, jamo, punctuation mark or emoji.

    Digits and syllables are left alone: 2000000 and 와아아아 mean what they say.
    """
    shortened = characters.LATIN | characters.JAMO | characters.PUNCTUATION
    run = (
        f"([{regex_class(shortened - characters.EMOJI_PARTS)}])\\1{{{max_run},}}"
        f"(?!{characters.KEYCAP_END})"
    )
    part_of_emoji = one_of(emoji_text.SECOND_PARTS)

    def may_hold_run(codes: np.ndarray) -> np.ndarray:
        flags = part_of_emoji[codes]
        _flag_runs(codes, max_run + 1, flags)
        return flags

    steps = (*_sub(run, r"\1" * max_run), ("shorten_emoji", max_run))
    return Rule(steps, flagged(may_hold_run))


def _flag_runs(codes: np.ndarray, length: int, flags: np.ndarray) -> None:
    """Flags where a run of at least `length` times one code point begins."""
    same = codes[1:] == codes[:-1]
    num_starts = max(0, len(codes) - length + 1)
    run = same[:num_starts].copy()
    for shift in range(1, length - 1):
        run &= same[shift : num_starts + shift]
    flags[: len(run)] |= run


def _squeeze_space() -> Rule:
    """White space within a line becomes one space, at its ends nothing."""
    return Rule((("squeeze_space",),), flagged(characters.irregular_space))


# Rules of the published recipes, with the faults of the originals: they shorten
# numbers, take parts of emoji for emoji, and join the words around a URL.

_WORD = string.ascii_letters + string.digits
_HTTP_URL = (
    rf"https?://(?:www\.)?[{_WORD}{re.escape('-@:%._+~#=')}]{{1,256}}"
    rf"\.[{_WORD}()]{{1,6}}\b[{_WORD}{re.escape('-()@:%_+.~#?&/=')}]*"
)
_PAIRS = (("[", "]"), ("{", "}"), ("【", "】"), ("<", ">"))
_BRACKETED = "|".join(
    rf"\{left}[^\{left}\{right}\n]*\{right}" for left, right in _PAIRS
)
_NAME = "A-Za-z0-9_.%+-"
_HANDLE = (
    f"(?<![{_NAME}])[{_NAME}]+@(?:[A-Za-z0-9_-]+\\.)+[A-Za-z]{{2,}}"
    r"|[#@]\w[\w.-]*"
)


def _keep_published(jamo: bool, emoji_parts: bool) -> Rule:
    """Keeps Hangul, ASCII, ％·∼ and what the options add; the rest becomes spaces.

    The published pattern makes one class of characters of all emoji sequences, so that
    it also keeps ZWJ, variation selectors and lone halves of flags.

    Args:
      jamo: keeps ㄱ to ㅣ.
    """
    kept = characters.ASCII | characters.HANGUL | frozenset("％·∼")
    if jamo:
        kept |= {chr(code) for code in range(ord("ㄱ"), ord("ㅣ") + 1)}
    if emoji_parts:
        kept |= characters.EMOJI_PARTS
    return Rule(_sub(f"[^{regex_class(kept)}]+", " "), same_in_re2=True)


def _replace_ooo() -> Rule:
    """The portals' mask OOO becomes a space."""
    return Rule(_sub("OOO", " "), same_in_re2=True)


def _remove_brackets() -> Rule:
    """Text in [], {}, 【】 or <> becomes a space; of nested brackets, the innermost."""
    return Rule(_sub(_BRACKETED, " "))


def _remove_handles() -> Rule:
    """E-mail addresses, #hashtags and @names become a space."""
    return Rule(_sub(_HANDLE, " "), matching("[#@]"))


def _remove_emoji() -> Rule:
    """Removes what emoji.replace_emoji does, which includes variation selectors."""
    return Rule((("remove_emoji",),), with_any(characters.EMOJI_PARTS | {"\ufe0e"}))


def _remove_http_urls() -> Rule:
    """Removes URLs with a scheme and a dotted host, which joins the words around."""
    return Rule(_sub(_HTTP_URL, ""))


def _strip() -> Rule:
    return Rule((("strip",),))  # faster than looking for lines to strip


def _repeat_normalize(num_repeats: int) -> Rule:
    """soynlp's: four or more of a letter, digit or syllable become `num_repeats`.

    It also makes one space of white space and strips the line.
    """

    def may_change(codes: np.ndarray) -> np.ndarray:
        flags = characters.irregular_space(codes)
        _flag_runs(codes, 4, flags)
        return flags

    def published() -> Callable[[str], str]:
        from soynlp.normalizer import repeat_normalize  # takes a second to import

        return functools.partial(repeat_normalize, num_repeats=num_repeats)

    steps = (*_sub(r"(\w)\1{3,}", r"\1" * num_repeats), *_sub(r"\s+", " "), ("strip",))
    return Rule(steps, flagged(may_change), published=published)


# Rules that put special tokens in the place of personal data and of laughter. A token
# is a word in brackets, such as [PHONE] or {laughing}. Brackets keep it apart: no later
# rule and no second pass changes it.

# Any other shape could be cut by a later rule or take part in a later match.
_TOKEN = re.compile(r"(?!.*(.)\1\1)(?:\[[A-Za-z_]+\]|\{[A-Za-z_]+\})")


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise UserError(
            f"special token {token!r}: must be letters and _ in [] or {{}}, none three "
            "times in a row, such as [PHONE] or {laughing}"
        )


def _mask_pii(**tokens: str) -> Rule:
    """Puts tokens[kind] in the place of personal data of that kind (pii.KINDS)."""
    for kind, token in tokens.items():
        if kind not in pii.KINDS:
            raise UserError(
                f"mask_pii: unknown kind {kind!r}; choose from {', '.join(pii.KINDS)}"
            )
        _check_token(token)
    return Rule((("mask_pii", tokens),), matching(*pii.TRIGGERS))


def _mask_laughter(laughter: str) -> Rule:
    """Puts the token in the place of two or more ㅋ and ㅎ, mixed or not."""
    _check_token(laughter)
    return Rule((("mask", "[ㅋㅎ]{2,}", laughter),))


# The names that recipes use, and hence manifests, reports and model cards.
RULES: dict[str, Callable[..., Rule]] = {
    "remove_zero_width": _remove_zero_width,
    "nfc": _nfc,
    "map_letters": _map_letters,
    "keep": _keep,
    "remove_urls": _remove_urls,
    "shorten_runs": _shorten_runs,
    "squeeze_space": _squeeze_space,
    "mask_pii": _mask_pii,
    "mask_laughter": _mask_laughter,
    "keep_published": _keep_published,
    "replace_ooo": _replace_ooo,
    "remove_brackets": _remove_brackets,
    "remove_handles": _remove_handles,
    "remove_emoji": _remove_emoji,
    "remove_http_urls": _remove_http_urls,
    "strip": _strip,
    "repeat_normalize": _repeat_normalize,
}
