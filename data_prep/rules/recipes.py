"""Cleaning recipes: an ordered list of named rules with their options, and filters.

A recipe is data. Its hash goes into every manifest and tells how a model's text was
cleaned.

A recipe named after a system reproduces that system's published function, faults
included. Comments mark as our reading what was not published.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from common.errors import UserError

# (name, options) of rules, in order.
Rules = Iterable[tuple[str, Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Rules in order, then filters.

    Attributes:
      rules: (name, options): names and arguments of the functions in table.RULES.
      min_characters, max_characters: clean lines of other lengths are dropped. None: no
        limit.
      min_hangul_share: minimum share of Hangul in a clean line, spaces not counted.
      drop_patterns: (reason, regular expression): clean lines that match are dropped.
        No expression may match a line feed.
    """

    name: str
    version: int
    rules: tuple[tuple[str, Mapping[str, Any]], ...]
    min_characters: int = 1
    max_characters: int | None = None
    min_hangul_share: float = 0.0
    drop_patterns: tuple[tuple[str, str], ...] = ()

    def hash(self) -> str:
        """16 hexadecimal digits over every field."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return int(self.hash(), 16)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """What the rules named mask_* insert; a vocabulary should hold them whole."""
        masking = (options for name, options in self.rules if name.startswith("mask_"))
        tokens = (token for options in masking for token in options.values())
        return tuple(dict.fromkeys(tokens))


# What portals show instead of a removed comment, and the last lines of news articles.
# Each begins with a literal, because only these are searched for fast.
_PLACEHOLDERS = tuple(
    ("placeholder", pattern)
    for pattern in (
        "작성자(?:에 의해|가) ?삭제(?:된|한) 댓글입니다",
        "관리자에 의해 (?:삭제|차단)된 댓글입니다",
        "운영규정 미준수로 인해 (?:삭제|차단)된 댓글입니다",
        "이용자 신고로 (?:삭제|차단)된 댓글입니다",
        "클린봇이 부적절한 표현을 감지한 댓글입니다",
    )
)
_BOILERPLATE = tuple(
    ("boilerplate", pattern)
    for pattern in ("무단 ?(?:전재|복제|배포).{0,12}금지", "재배포 ?금지")
)

_DEFAULT = Recipe(
    name="default",
    version=2,
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
    drop_patterns=_PLACEHOLDERS + _BOILERPLATE,
)

# KcBERT's README. It drops texts of ten characters or fewer.
_KCBERT = Recipe(
    name="kcbert",
    version=1,
    rules=(
        ("keep_published", {"jamo": True, "emoji_parts": True}),
        ("remove_http_urls", {}),
        ("strip", {}),
        ("repeat_normalize", {"num_repeats": 2}),
    ),
    min_characters=11,
)

# KcELECTRA's README of 2021: KcBERT's steps, and no OOO.
_KCELECTRA_V2021 = dataclasses.replace(
    _KCBERT,
    name="kcelectra_v2021",
    rules=(("replace_ooo", {}), *_KCBERT.rules),
)

# KcELECTRA's README since 2022, which no longer mentions OOO. It keeps emoji and then
# removes them. The pattern on v2022's model card has no emoji, so that each run of them
# leaves a space there.
_KCELECTRA_V2022 = dataclasses.replace(
    _KCBERT,
    name="kcelectra_v2022",
    rules=(_KCBERT.rules[0], ("remove_emoji", {}), *_KCBERT.rules[1:]),
)

# KoELECTRA's notes on preprocessing give the kept characters, what is removed, the
# shortening, and that news lines with text like 무단전재 or (서울=뉴스1) are dropped.
# Our reading: brackets go first (【】 are not among the kept characters), then handles;
# the pattern of the by-line; ten characters, where "a certain length" is published.
_KOELECTRA_V1 = Recipe(
    name="koelectra_v1",
    version=1,
    rules=(
        ("remove_brackets", {}),
        ("remove_handles", {}),
        ("keep_published", {"jamo": False, "emoji_parts": False}),
        ("repeat_normalize", {"num_repeats": 2}),
    ),
    min_characters=10,
    drop_patterns=(
        ("boilerplate", "무단 ?(?:전재|복제|배포)|재배포 ?금지"),
        ("boilerplate", r"\([가-힣]{2,8}=[^()]{1,16}\)"),
    ),
)

# Published: the special tokens and their meaning, that as little as possible is to be
# lost, and that rules differ per source. The rest is our reading: the default recipe
# without Hanja, then the tokens.
_HWAHAE = dataclasses.replace(
    _DEFAULT,
    name="hwahae",
    version=1,
    rules=(
        *(
            ("keep", {"hanja": False}) if rule[0] == "keep" else rule
            for rule in _DEFAULT.rules
        ),
        ("mask_laughter", {"laughter": "{laughing}"}),
        ("mask_pii", {"phone": "[PHONE]", "email": "[EMAIL]", "name": "[PERSON]"}),
    ),
)

_KCELECTRA = (_KCELECTRA_V2021, _KCELECTRA_V2022)
_ALL = (_DEFAULT, _KCBERT, *_KCELECTRA, _KOELECTRA_V1, _HWAHAE)
RECIPES = {recipe.name: recipe for recipe in _ALL}


def get_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise UserError(
            f"--recipe={name}: unknown recipe; choose from {', '.join(RECIPES)}"
        )
    return RECIPES[name]


def rules_of_run(config: Mapping[str, Any]) -> Rules | None:
    """The rules that cleaned a run's corpus; None if the run did not record them.

    Args:
      config: the content of the run's config.json.
    """
    if rules := config.get("corpus", {}).get("recipe_rules"):
        return rules
    recipe = RECIPES.get(config.get("recipe"))
    is_same = recipe and recipe.hash() == config.get("recipe_hash")
    return recipe.rules if is_same else None


def with_options(
    recipe: Recipe, mask_pii: Mapping[str, str] | None = None, **filters: Any
) -> Recipe:
    """The recipe with personal data masked and with other filters.

    Args:
      mask_pii: special tokens by kind of personal data (pii.KINDS). Masking comes last:
        it sees clean text, and no later rule sees the tokens.
      filters: fields of Recipe, such as min_characters=20.
    """
    if mask_pii:
        kept = [rule for rule in recipe.rules if rule[0] != "mask_pii"]
        filters["rules"] = (*kept, ("mask_pii", dict(mask_pii)))
    return dataclasses.replace(recipe, **filters)
