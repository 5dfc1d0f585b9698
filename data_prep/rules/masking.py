"""Rules that put special tokens in the place of personal data and of laughter.

A token is a word in brackets, such as [PHONE] or {laughing}. Brackets keep it apart:
no later rule and no second pass changes it.
"""

import re

from common.cli import UserError
from data_prep.rules import pii
from data_prep.rules.blocks import Rule, lines_matching

# Any other shape could be cut by a later rule or take part in a later match.
_TOKEN = re.compile(r"(?!.*(.)\1\1)(?:\[[A-Za-z_]+\]|\{[A-Za-z_]+\})")

LAUGHTER = "[ㅋㅎ]{2,}"


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise UserError(
            f"special token {token!r}: must be letters and _ in [] or {{}}, none three "
            "times in a row, such as [PHONE] or {laughing}"
        )


def _replace(line: str, spans: list[tuple[int, int, str]]) -> str:
    """Puts tokens at (start, end, token).

    A bracket beside a token that equals the token's own gets a space, or the two would
    make a run, which later rules shorten.
    """
    pieces, done = [], 0
    for start, end, token in spans:
        pieces.append(line[done:start])
        if start and line[start - 1] == token[0]:
            pieces.append(" ")
        pieces.append(token)
        if line[end : end + 1] == token[-1]:
            pieces.append(" ")
        done = end
    return "".join([*pieces, line[done:]])


def mask_pii(**tokens: str) -> Rule:
    """Puts tokens[kind] in the place of personal data of that kind (pii.KINDS)."""
    for kind, token in tokens.items():
        if kind not in pii.KINDS:
            raise UserError(
                f"mask_pii: no kind {kind}; there is {', '.join(pii.KINDS)}"
            )
        _check_token(token)

    def mask(line: str) -> str:
        # A token may end what had stood against a further match. No token holds @ or a
        # digit, so that this comes to an end.
        while found := [span for span in pii.find(line) if span.kind in tokens]:
            line = _replace(line, [(s.start, s.end, tokens[s.kind]) for s in found])
        return line

    return lines_matching(pii.TRIGGERS, mask)


def mask_laughter(laughter: str) -> Rule:
    """Puts the token in the place of two or more ㅋ and ㅎ, mixed or not."""
    _check_token(laughter)
    laughing = re.compile(LAUGHTER)

    def mask(line: str) -> str:
        found = laughing.finditer(line)
        return _replace(line, [(*match.span(), laughter) for match in found])

    return lines_matching((LAUGHTER,), mask)
