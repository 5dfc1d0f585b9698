"""Cleaning rules as TensorFlow operations against the pipeline's own."""

import random
import unicodedata

import pytest
import tensorflow as tf

from data_prep.rules.cleaner import Cleaner
from data_prep.rules.recipes import RECIPES
from data_prep.rules.table import RULES
from electra_tf.export import tf_cleaning

pytest.importorskip("tensorflow_text", reason="pip install 'korean-electra-tf[text]'")

INCLUDED = {
    "default": ["nfc", "map_letters", "squeeze_space"],
    "kcbert": ["keep_published", "strip"],
    "kcelectra_v2021": ["replace_ooo", "keep_published", "strip"],
    "kcelectra_v2022": ["keep_published", "strip"],
    "koelectra_v1": ["keep_published"],
    "hwahae": ["nfc", "map_letters", "squeeze_space"],
}
PIECES = [
    *("가나", "ㅋㅋㅋㅋ", "Ａｂ１２！", "ﾡﾢ", "\u1112\u1161\u11ab", "\u1112\u1161"),
    *(" ", "  ", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u3000", "\u2003", "\u2028"),
    *("OOO", "OOOO", "OO", "漢", "é", "e\u0301", "☆", "~∼％", "\u200b"),
    *("👍🏽", "1\ufe0f\u20e3", "👨\u200d👩"),
]


def lines() -> list[str]:
    rng = random.Random(0)
    mixed = ["".join(rng.choices(PIECES, k=rng.randint(0, 8))) for _ in range(3000)]
    codes = [c for c in range(1, 0x20000) if c not in range(0xD800, 0xE000)]
    # Characters newer than Python's Unicode have no normal form there.
    assigned = [chr(c) for c in codes if unicodedata.category(chr(c)) != "Cn"]
    blocks = (assigned[i : i + 64] for i in range(0, len(assigned), 64))
    return mixed + [" a".join(block).replace("\n", "") for block in blocks]


@pytest.mark.parametrize("name", INCLUDED)
def test_included_rules_clean_as_the_pipeline_does(name):
    rules = RECIPES[name].rules
    clean, included, omitted = tf_cleaning.operations(rules)
    assert included == INCLUDED[name]
    assert sorted(included + omitted) == sorted(rule for rule, _ in rules)
    of_pipeline = {rule: RULES[rule](**options).on_blocks() for rule, options in rules}
    found = clean(tf.constant([line.encode("utf-8") for line in lines()])).numpy()
    for line, cleaned in zip(lines(), found, strict=True):
        expected = line
        for rule in included:
            expected = of_pipeline[rule](expected)
        assert cleaned.decode("utf-8") == expected, line


@pytest.mark.parametrize("name", INCLUDED)
def test_clean_text_stays(name):
    clean, _, _ = tf_cleaning.operations(RECIPES[name].rules)
    cleaner = Cleaner(RECIPES[name])
    texts = [cleaner.clean(line).encode("utf-8") for line in lines()]
    assert clean(tf.constant(texts)).numpy().tolist() == texts
