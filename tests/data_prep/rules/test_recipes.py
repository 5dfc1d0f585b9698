import dataclasses
import re

import pytest

from common.errors import UserError
from data_prep.rules import recipes
from data_prep.rules.cleaner import Cleaner

DEFAULT = recipes.get_recipe("default")


def test_recipe_hash_tells_recipes_apart():
    assert DEFAULT.hash() == dataclasses.replace(DEFAULT).hash()
    assert re.fullmatch("[0-9a-f]{16}", DEFAULT.hash())
    runs = dict(DEFAULT.rules) | {"shorten_runs": {"max_run": 4}}
    changes = [
        {"name": "other"},
        {"version": 9},
        {"rules": DEFAULT.rules[:-1]},
        {"rules": DEFAULT.rules[::-1]},
        {"rules": tuple(runs.items())},
        {"min_characters": 5},
        {"max_characters": 5},
        {"max_characters": None},
        {"min_hangul_share": 0.2},
        {"drop_patterns": DEFAULT.drop_patterns[:-1]},
    ]
    others = [dataclasses.replace(DEFAULT, **change) for change in changes]
    hashes = {r.hash() for r in (*others, *recipes.RECIPES.values())}
    assert len(hashes) == len(changes) + len(recipes.RECIPES)
    assert len({DEFAULT, dataclasses.replace(DEFAULT), *others}) == 1 + len(changes)


def test_options_change_rules_filters_and_hash():
    phone = recipes.with_options(DEFAULT, mask_pii={"phone": "[TEL]"}, min_characters=9)
    assert phone.hash() != DEFAULT.hash()
    assert phone.rules[:-1] == DEFAULT.rules
    cleaner = Cleaner(phone)
    assert cleaner.clean("전화 010-1234-5678") == "전화 [TEL]"
    assert cleaner.drop_reasons(["전화 [TEL]", "여덟 글자 입니"]) == ["too_short"] * 2
    assert recipes.with_options(DEFAULT) == DEFAULT


def test_masking_replaces_the_masking_of_a_recipe():
    hwahae = recipes.get_recipe("hwahae")
    other = recipes.with_options(hwahae, mask_pii={"email": "[MAIL]"})
    assert Cleaner(other).clean("ㅋㅋ 010-1234-5678 a@b.kr") == (
        "{laughing} 010-1234-5678 [MAIL]"
    )


def test_special_tokens_are_those_of_the_masking_rules():
    hwahae = recipes.get_recipe("hwahae")
    tokens = ("{laughing}", "[PHONE]", "[EMAIL]", "[PERSON]")
    assert hwahae.special_tokens == tokens
    assert DEFAULT.special_tokens == ()
    both = {"phone": "[NUMBER]", "account": "[NUMBER]"}
    assert recipes.with_options(DEFAULT, both).special_tokens == ("[NUMBER]",)


def test_a_rule_with_other_options_does_other_work():
    rules = (("keep", {"hanja": False}), ("shorten_runs", {"max_run": 1}))
    recipe = dataclasses.replace(DEFAULT, rules=rules)
    assert Cleaner(recipe).clean("漢字ㅋㅋ!!") == " ㅋ!"


def test_unknown_recipe_names_the_known_ones():
    with pytest.raises(
        UserError, match="recipe=x: unknown recipe; choose from default"
    ):
        recipes.get_recipe("x")


def test_a_run_names_its_rules_or_a_recipe_of_that_hash():
    rules = [["nfc", {}], ["shorten_runs", {"max_run": 2}]]
    assert recipes.rules_of_run({"corpus": {"recipe_rules": rules}}) == rules
    recipe = recipes.RECIPES["kcbert"]
    data = {"recipe": recipe.name, "recipe_hash": recipe.hash()}
    assert recipes.rules_of_run(data) == recipe.rules
    assert recipes.rules_of_run({**data, "recipe_hash": "other"}) is None
    assert recipes.rules_of_run({}) is None
