"""cleaning.py, as users get it, against the pipeline's own cleaning."""

import random
import types
from collections import Counter
from collections.abc import Callable

import pytest
from helpers import korean_text, processes
from hypothesis import given

from data_prep.clean.settings import PII_TOKENS
from data_prep.rules.cleaner import Cleaner
from data_prep.rules.recipes import RECIPES, Recipe, with_options
from electra_tf.export import cleaning_module

MASKING = with_options(RECIPES["default"], mask_pii=PII_TOKENS)
ALL = {**RECIPES, "default with personal data masked": MASKING}
# Parts that make emoji, and what is nearly one.
EMOJI_PARTS = (
    *(
        "👨",
        "👩🏻",
        "🏽",
        "\u200d",
        "\u200d",
        "\ufe0f",
        "\ufe0e",
        "❤",
        "1",
        "\u20e3",
        "🇰",
    ),
    *(
        "🇷",
        "♂",
        "가",
        "🦰",
        "☺",
        "🏴",
        "👨\u200d👩",
        "✈",
        "🤷🏽\u200d♂",
        "\U000e0067",
        "#",
    ),
)


def module_of(recipe: Recipe) -> types.ModuleType:
    module = types.ModuleType("cleaning")
    exec(cleaning_module.source(recipe.rules, "A recipe."), module.__dict__)
    return module


@pytest.fixture(scope="module")
def cleaners() -> dict[str, Callable[[str], str]]:
    return {name: module_of(recipe).clean for name, recipe in ALL.items()}


@pytest.fixture(scope="module")
def pipeline() -> dict[str, Cleaner]:
    return {name: Cleaner(recipe) for name, recipe in ALL.items()}


def emoji_lines(number: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [
        "".join(rng.choices(EMOJI_PARTS, k=rng.randint(1, 9))) for _ in range(number)
    ]


@pytest.mark.parametrize("name", ALL)
def test_thousands_of_lines_are_cleaned_as_in_the_pipeline(name, cleaners, pipeline):
    lines = korean_text.hostile_lines(3000, seed=1) + emoji_lines(3000, seed=2)
    expected = pipeline[name].clean_lines(lines, Counter())
    for line, clean in zip(lines, expected, strict=True):
        assert cleaners[name](line) == clean, ascii(line)


@given(line=korean_text.LINE)
def test_any_line_is_cleaned_as_in_the_pipeline(line, cleaners, pipeline):
    for name in ALL:
        assert cleaners[name](line) == pipeline[name].clean(line), name


@given(line=korean_text.PERSONAL_LINE)
def test_personal_data_is_masked_as_in_the_pipeline(line, cleaners, pipeline):
    for name in ("hwahae", "default with personal data masked"):
        assert cleaners[name](line) == pipeline[name].clean(line)


@pytest.mark.parametrize("name", ALL)
def test_it_needs_python_alone(name, pipeline, tmp_path):
    text = cleaning_module.source(ALL[name].rules, "A recipe.")
    (tmp_path / cleaning_module.FILE).write_text(text, "utf-8")
    assert len(text.encode("utf-8")) < 40_000
    script = "import cleaning; print(cleaning.clean('좋아요  ㅋㅋ'))"
    # -I -S: no packages but Python's own; the folder is added by hand.
    run = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {script}"
    found = processes.check("-I", "-S", "-X", "utf8", "-c", run)
    assert found.out == pipeline[name].clean("좋아요  ㅋㅋ") + "\n"


def test_what_a_recipe_has_no_use_for_is_left_out():
    short = cleaning_module.source(RECIPES["kcbert"].rules, "KcBERT.")
    assert "def find" not in short and "mask_pii" not in short
    assert "base64" not in short and "KcBERT." in short
    masking = cleaning_module.source(MASKING.rules, "Masking.")
    assert "def find" in masking and "import data_prep" not in masking
    assert "from data_prep" not in masking
