"""A recipe's rules as steps: data for programs that have neither numpy nor emoji.

Two of them exist: the cleaning.py beside an exported model, and the operations inside a
SavedModel. Patterns and tables are the pipeline's own.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from data_prep.rules import characters, default, masking, published
from data_prep.rules.characters import regex_class
from data_prep.rules.recipes import RECIPES

# Rules of a recipe: names and options, in order.
Rules = Iterable[tuple[str, Mapping[str, Any]]]
# What to do, and with what:
#   translate FROM TO            characters of FROM become those of TO
#   sub PATTERN REPLACEMENT      as re.sub
#   sub_outside_emoji PATTERN REPLACEMENT
#   shorten_emoji MAX_RUN        of one emoji in a row
#   mask PATTERN TOKEN           as sub, but the token keeps apart from its neighbours
#   mask_pii TOKENS              kind of personal data -> token
#   nfc, remove_emoji, squeeze_space, strip
Step = tuple[Any, ...]


def _map_letters() -> list[Step]:
    table = default.letter_table()
    return [("translate", "".join(map(chr, table)), "".join(table.values()))]


def _keep(hanja: bool) -> list[Step]:
    other = f"[^{regex_class(default.kept_characters(hanja))}]+"
    return [("sub_outside_emoji", other, " ")]


def _keep_published(jamo: bool, emoji_parts: bool) -> list[Step]:
    kept = published.published_characters(jamo, emoji_parts)
    return [("sub", f"[^{regex_class(kept)}]+", " ")]


def _repeated(pattern: str, times: int) -> Step:
    return ("sub", pattern, r"\1" * times)


# Of each rule in cleaning.RULES, by its options.
_STEPS: dict[str, Callable[..., list[Step]]] = {
    "remove_zero_width": lambda: [
        ("sub_outside_emoji", f"[{regex_class(characters.ZERO_WIDTH)}]", "")
    ],
    "nfc": lambda: [("nfc",)],
    "map_letters": _map_letters,
    "keep": _keep,
    "remove_urls": lambda: [("sub", default.URL, " ")],
    "shorten_runs": lambda max_run: [
        _repeated(default.run_pattern(max_run), max_run),
        ("shorten_emoji", max_run),
    ],
    "squeeze_space": lambda: [("squeeze_space",)],
    "mask_pii": lambda **tokens: [("mask_pii", tokens)],
    "mask_laughter": lambda laughter: [("mask", masking.LAUGHTER, laughter)],
    "keep_published": _keep_published,
    "replace_ooo": lambda: [("sub", "OOO", " ")],
    "remove_brackets": lambda: [("sub", published.BRACKETED, " ")],
    "remove_handles": lambda: [("sub", published.HANDLE, " ")],
    "remove_emoji": lambda: [("remove_emoji",)],
    "remove_http_urls": lambda: [("sub", published.HTTP_URL, "")],
    "strip": lambda: [("strip",)],
    "repeat_normalize": lambda num_repeats: [
        _repeated(r"(\w)\1{3,}", num_repeats),
        ("sub", r"\s+", " "),
        ("strip",),
    ],
}

RULES_WITH_STEPS = _STEPS.keys()


def of_rule(name: str, options: Mapping[str, Any]) -> list[Step]:
    """The steps of one rule of a recipe, in order."""
    return _STEPS[name](**options)


def of_rules(recipe_rules: Rules) -> list[Step]:
    """The steps of a recipe, in order."""
    return list(itertools.chain.from_iterable(of_rule(*rule) for rule in recipe_rules))


def rules_of_run(data: Mapping[str, Any]) -> Rules | None:
    """The rules that cleaned a run's corpus; None if the run does not say.

    Args:
      data: of the run's config.json.
    """
    if rules := data.get("corpus", {}).get("recipe_rules"):
        return rules
    recipe = RECIPES.get(data.get("recipe"))
    is_same = recipe and recipe.hash() == data.get("recipe_hash")
    return recipe.rules if is_same else None
