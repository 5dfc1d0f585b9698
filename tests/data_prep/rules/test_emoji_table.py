"""The frozen table of emoji."""

import emoji
import pytest
from helpers import processes

from data_prep.rules import emoji_table


def test_the_table_is_that_of_the_package_it_names():
    if emoji.__version__ != emoji_table.VERSION:
        pytest.skip(f"emoji.txt is of emoji {emoji_table.VERSION}")
    assert emoji_table.installed() == emoji_table.CONTENT


UPDATED = """
import emoji
emoji.EMOJI_DATA["가"] = {"en": ":ga:", "status": 2, "E": 99}
del emoji.EMOJI_DATA["😂"]
from data_prep.rules.cleaner import Cleaner
from data_prep.rules.recipes import get_recipe
for name in ("default", "kcelectra_v2022"):
    print(Cleaner(get_recipe(name)).clean("가가가가가 나 😂😂😂😂😂"))
"""


def test_an_update_of_the_package_changes_no_text():
    out = processes.check("-c", UPDATED).out
    assert out.splitlines() == ["가가가가가 나 😂😂😂", "가가 나"]
