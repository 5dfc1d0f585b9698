"""Finds personal data in a line: where it is, and of which kind.

Meant to be precise. Prices, dates, long plain numbers, law articles, versions and IP
addresses are no personal data; a number counts by its shape, its check digit or the
words beside it.

* email, and name: a handle after @. In Hangul it ends before 님 and 씨.
* phone: mobile, landline and internet numbers, +82. Service numbers such as 1588-1234
  are nobody's own, and look like a span of years.
* resident_number: six digits of a date of birth and seven more. Numbers given out since
  October 2020 carry no check digit, so with a hyphen the date alone is checked; without
  one, the check digit as well.
* account: hyphens where a Korean bank puts them, or ten to fourteen digits beside a
  word such as 계좌.
"""

import calendar
import re
from typing import NamedTuple

from data_prep.rules.characters import KEYCAP_END

KINDS = ("email", "name", "phone", "resident_number", "account")

# No line without one of these can hold personal data: @, or nine digits in a row with
# at most three separators between two of them.
TRIGGERS = ("@", "[0-9](?:[-–._ ()]{0,3}[0-9*]){8}")

_DASH = "(?: ?[-–._] ?| )"  # between groups of digits
_AREA = "0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4])"
_PHONE = "|".join(
    (
        f"(?:010|070){_DASH}?[0-9]{{4}}{_DASH}?[0-9]{{4}}",
        rf"\(?0(?:10|70)\) ?[0-9]{{4}}{_DASH}?[0-9]{{4}}",
        f"(?:01[16789]|050[2-8]|080|{_AREA}){_DASH}[0-9]{{3,4}}{_DASH}[0-9]{{4}}",
        rf"\(?(?:01[16789]|{_AREA})\) ?[0-9]{{3,4}}{_DASH}[0-9]{{4}}",
        rf"(?:\+|00)82{_DASH}?(?:\(0\)|0)?{_DASH}?(?:10|1[16789]|2|[3-6][1-5]|70)"
        rf"\)?{_DASH}?[0-9]{{3,4}}{_DASH}?[0-9]{{4}}",
        f"82{_DASH}10{_DASH}[0-9]{{4}}{_DASH}[0-9]{{4}}",
    )
)
_BEFORE_NUMBER = r"(?<![0-9A-Za-z_])(?<![0-9][-–.,])"
# The digit of a keycap emoji ends no number and no handle.
_AFTER_NUMBER = f"(?![0-9A-Za-z_]|[-–.,][0-9]|{KEYCAP_END})"
_AFTER_HANDLE = f"(?![A-Za-z0-9_.-]*[@/]|[A-Za-z0-9_]|{KEYCAP_END})"
_PATTERN = re.compile(
    rf"""
    (?P<email>(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{{0,63}}
        @(?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.){{1,4}}[A-Za-z]{{2,12}}
        (?![A-Za-z0-9]))
    |(?P<name>(?<![A-Za-z0-9가-힣@_.])@(?:
        [A-Za-z_][A-Za-z0-9_.-]{{0,28}}[A-Za-z0-9_]{_AFTER_HANDLE}
        |[가-힣][가-힣0-9_]{{1,9}}?(?=(?:님|씨)?(?![가-힣0-9_@/]|{KEYCAP_END}))))
    |{_BEFORE_NUMBER}(?:
        (?P<resident_number>(?P<birth>[0-9]{{6}})(?P<separator>[ ]?[-–][ ]?|[ ]|)
            (?P<serial>[0-9](?:[0-9]{{6}}|\*{{3,6}})))
        |(?P<phone>{_PHONE.replace(" ", "[ ]")})
        |(?P<account>[0-9]{{2,8}}(?:-[0-9]{{1,8}}){{1,4}}|[0-9]{{10,14}})
    ){_AFTER_NUMBER}
    """,
    re.VERBOSE,
)

# Digits per group of the accounts of the larger banks.
_ACCOUNT_LAYOUTS = frozenset(
    (
        (3, 3, 6),
        (3, 2, 6),
        (6, 2, 6),
        (3, 6, 5),
        (4, 3, 6),
        (4, 2, 7),
        (3, 4, 4, 2),
        (3, 6, 2, 3),
        (4, 4, 4, 1),
        (3, 2, 6, 1),
    )
)
_BANK = "은행|뱅크|농협|수협|신협|우체국|새마을금고"
_ACCOUNT_BEFORE = re.compile(
    rf"(?:(?:계좌(?:번호)?|입금|송금|이체|예금주|{_BANK})"
    r"(?:(?!번호|송장|코드)[^0-9\[\]{}]){0,15}"
    r"|(?:국민|신한|우리|하나|기업|카카오|토스|카뱅|케뱅|씨티)[ :]{0,2})$"
)
_ACCOUNT_AFTER = re.compile(rf" ?\(?(?:[가-힣]{{1,4}}(?:은행|뱅크)|{_BANK})")
_UNIT = re.compile(" ?(?:원|만|억|천|개|명|건|주|회|달러|%)")
# Dates with something behind, ISBN, and a company's tax number (3-2-5).
_NO_ACCOUNT = re.compile(
    "(?:19|20)[0-9]{2}-|(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]|97[89]-"
    "|[0-9]{3}-[0-9]{2}-[0-9]{5}$"
)
# Most numbers of companies look like people born before 1920.
_FIRST_BIRTH, _LAST_BIRTH = 1920, 2039
_CHECK_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


class Span(NamedTuple):
    """Personal data of `kind` at line[start:end]."""

    kind: str
    start: int
    end: int


def find(line: str) -> list[Span]:
    """Spans from left to right, none overlapping another."""
    found = ((_kind(match), match) for match in _PATTERN.finditer(line))
    return [Span(kind, *match.span()) for kind, match in found if kind]


def _kind(match: re.Match) -> str | None:
    kind = match.lastgroup
    if kind == "resident_number" and not _is_resident_number(match):
        kind = "account"  # thirteen digits may still be one
    return None if kind == "account" and not _is_account(match) else kind


def _is_resident_number(match: re.Match) -> bool:
    birth, separator, serial = match.group("birth", "separator", "serial")
    century = {"1": 19, "2": 19, "5": 19, "6": 19, "3": 20, "4": 20, "7": 20, "8": 20}
    if serial[0] not in century:
        return False
    year, month, day = (int(birth[i : i + 2]) for i in (0, 2, 4))
    year += 100 * century[serial[0]]
    if not (_FIRST_BIRTH <= year <= _LAST_BIRTH and 1 <= month <= 12):
        return False
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return False
    if separator.strip():
        return True
    return "*" not in serial and _has_check_digit(birth + serial)


def _has_check_digit(digits: str) -> bool:
    total = sum(int(d) * w for d, w in zip(digits, _CHECK_WEIGHTS, strict=False))
    return (11 - total % 11) % 10 == int(digits[-1])


def _is_account(match: re.Match) -> bool:
    number, line = match[0], match.string
    groups = number.split("-")
    if not 10 <= sum(map(len, groups)) <= 14 or _NO_ACCOUNT.match(number):
        return False
    if tuple(map(len, groups)) in _ACCOUNT_LAYOUTS:
        return True
    if _UNIT.match(line, match.end()):
        return False
    before = line[max(0, match.start() - 30) : match.start()]
    after = _ACCOUNT_AFTER.match(line, match.end())
    return bool(_ACCOUNT_BEFORE.search(before) or after)
