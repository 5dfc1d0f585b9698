"""Personal data in labelled texts; some of them are known to be missed."""

import pathlib
import re
from collections import Counter

import pytest
from helpers.korean_text import PERSONAL_LINE
from hypothesis import given, settings

from data_prep.rules import pii
from data_prep.rules.table import RULES

CASES = pathlib.Path(__file__).with_name("pii_cases.tsv")
TOKENS = {
    "email": "[EMAIL]",
    "name": "[NAME]",
    "phone": "[PHONE]",
    "resident_number": "[RRN]",
    "account": "[ACCOUNT]",
}
KIND_OF = {token: kind for kind, token in TOKENS.items()}
# Precision and recall on the labelled texts.
BOUNDS = {
    "email": (1.0, 0.89),
    "name": (0.75, 0.88),
    "phone": (1.0, 0.95),
    "resident_number": (1.0, 1.0),
    "account": (1.0, 0.95),
}


def load() -> list[tuple[str, str]]:
    rows = CASES.read_text(encoding="utf-8").split("\n")
    return [tuple(row.split("\t")) for row in rows if "\t" in row]


def spans(text: str, masked: str) -> set[pii.Span]:
    """Where the tokens of `masked` stand in `text`."""
    parts = re.split(r" ?(\[[A-Z]+\]) ?(?=\])|(\[[A-Z]+\])", masked)
    parts = [part for part in parts if part is not None]
    pattern = "".join("(.+?)" if p in KIND_OF else re.escape(p) for p in parts)
    match = re.fullmatch(pattern, text)
    kinds = [KIND_OF[part] for part in parts if part in KIND_OF]
    return {pii.Span(k, *match.span(i)) for i, k in enumerate(kinds, start=1)}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Counter]:
    """Of each kind: right, wrong and missed."""
    counts = {kind: Counter(right=0, wrong=0, missed=0) for kind in TOKENS}
    for text, masked in load():
        labelled, found = spans(text, masked), set(pii.find(text))
        for what, which in (
            ("right", labelled & found),
            ("wrong", found - labelled),
            ("missed", labelled - found),
        ):
            for span in which:
                counts[span.kind][what] += 1
    return counts


def test_the_labelled_set_is_large_and_half_of_it_holds_nothing():
    cases = load()
    negative = sum(text == masked for text, masked in cases)
    assert len(set(cases)) == len(cases) >= 250
    assert 0.4 < negative / len(cases) < 0.6


@pytest.mark.parametrize("kind", pii.KINDS)
def test_precision_and_recall(kind, outcomes):
    count = outcomes[kind]
    precision = count["right"] / (count["right"] + count["wrong"])
    recall = count["right"] / (count["right"] + count["missed"])
    print(f"{kind}: precision {precision:.3f}, recall {recall:.3f}, {dict(count)}")
    assert count["right"] >= 15
    assert (precision, recall) >= BOUNDS[kind] and recall >= BOUNDS[kind][1]


def test_numbers_without_personal_data_stay():
    mask = RULES["mask_pii"](**TOKENS).on_blocks()
    texts = [t for t, masked in load() if t == masked and "@" not in t]
    assert len(texts) > 80
    assert [text for text in texts if mask(text) != text] == []


@settings(deadline=None, max_examples=300)
@given(PERSONAL_LINE)
def test_triggers_miss_nothing(text):
    triggered = any(re.search(trigger, text) for trigger in pii.TRIGGERS)
    assert triggered or not pii.find(text)


@settings(deadline=None, max_examples=300)
@given(PERSONAL_LINE)
def test_spans_are_in_order_and_apart(text):
    edges = [edge for _, *span in pii.find(text) for edge in span]
    assert edges == sorted(edges)
    assert all(start < end for _, start, end in pii.find(text))
