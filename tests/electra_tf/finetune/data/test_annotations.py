"""Tags of characters and words, and answers within texts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from electra_tf.finetune.data import annotations
from electra_tf.finetune.data.annotations import repair_tags
from electra_tf.finetune.data.dataset import LocatedRow
from electra_tf.finetune.kinds.rows import Answer, Row, Unit

KLUE = """## 컬럼명 : CHAR\tNE_TAG
## klue-ner_0\t<김:PS>은 #1
김\tB-PS
은\tO
 \tO
#\tO
1\tO

## klue-ner_1\t나
나\tO
"""
TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])


def tagged(data_format: str, text: str) -> list[LocatedRow]:
    return annotations.tagged("f", text.split("\n"), data_format, Counter())


def test_klue_has_characters_and_no_units_of_spaces():
    first, second = tagged("klue_ner", KLUE)
    assert first.row.id == "klue-ner_0"
    assert first.row.text == "김은 #1"
    assert first.row.label == (
        Unit(0, 1, "B-PS"),
        Unit(1, 2, "O"),
        Unit(3, 4, "O"),
        Unit(4, 5, "O"),
    )
    assert (first.where, second.where) == ("line 3", "line 10")
    assert second.row == Row("klue-ner_1", "나", label=(Unit(0, 1, "O"),))


def test_an_entity_that_begins_with_a_space_begins_behind_it():
    counts: Counter = Counter()
    lines = ["1\tO", " \tB-QT", "2\tI-QT"]
    (found,) = annotations.tagged("f", lines, "klue_ner", counts)
    assert found.row.label == (Unit(0, 1, "O"), Unit(2, 3, "B-QT"))
    assert counts == {"repaired_tags": 1}


@pytest.mark.parametrize("between", ["\t", " ", "\tNNP\t", " NNP _ "])
def test_conll_is_the_first_and_the_last_field(between):
    lines = ["-DOCSTART- -X- O", "", f"서울{between}B-LC", f"#에{between}O", "", "", ""]
    (found,) = tagged("conll", "\n".join(lines))
    assert found.row.text == "서울 #에"
    assert found.row.label == (Unit(0, 2, "B-LC"), Unit(3, 5, "O"))
    assert found.where == "line 3"


def test_naver_tags_are_turned_round():
    (found,) = tagged("naver_ner", "이순신 장군  은\tPER-B PER-I O\n")
    assert found.row.text == "이순신 장군 은"
    assert [unit.tag for unit in found.row.label] == ["B-PER", "I-PER", "O"]


@pytest.mark.parametrize(
    ("data_format", "text", "message"),
    [
        ("conll", "가\tO\n나", "line 2 is not a word and a tag.*'나'"),
        ("conll", "가\tPER", "sentence at line 1 has the tag 'PER'"),
        ("conll", "가\tS-PER", "tag 'S-PER'; tags are O, B-TYPE"),
        ("conll", "가 나\tO", "line 1 is not a word and a tag"),
        ("klue_ner", "가 O", "line 1 is not a character and a tag"),
        ("klue_ner", "가\t나\tO", "line 1 is not a character and a tag"),
        ("naver_ner", "가 나\tO", "line 1 has 2 words and 1 tags in 2 fields"),
        ("naver_ner", "가\tO\tO", "line 1 has 1 words and 1 tags in 3 fields"),
    ],
)
def test_damaged_tags_are_refused_by_line(data_format, text, message):
    with pytest.raises(UserError, match=message):
        tagged(data_format, text)


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """(type, begin, end) as seqeval's default counts: a stray I- begins one."""
    found: list[tuple[str, int, int]] = []
    for place, tag in enumerate(tags):
        before = tags[place - 1] if place else "O"
        if tag[0] == "B" or (tag[0] == "I" and before[2:] != tag[2:]):
            found.append((tag[2:], place, place + 1))
        elif tag[0] == "I":
            found[-1] = (*found[-1][:2], place + 1)
    return found


@given(st.lists(TAG))
def test_repair_keeps_the_entities_and_leaves_no_stray_tag(tags):
    repaired = repair_tags(tags)
    assert entities(repaired) == entities(tags)
    assert len(entities(tags)) == sum(tag[0] == "B" for tag in repaired)
    assert repair_tags(repaired) == repaired


def article(
    *answers: tuple[str, int], context: str = "비가 온다. 비가", **more: object
):
    answers = [{"text": text, "answer_start": start} for text, start in answers]
    question = {"id": "q", "question": "뭐가?", "answers": answers}
    return {"paragraphs": [{"context": context, "qas": [question]}], **more}


def squad(*articles: dict) -> tuple[list[LocatedRow], Counter]:
    counts: Counter = Counter()
    return annotations.squad("f", {"data": [*articles]}, True, counts), counts


def test_questions_have_their_context_and_the_group_of_their_article():
    found, counts = squad(article(("비", 0), title="날씨"), article(("비가", 7)))
    expected = Row("q", "비가 온다. 비가", "뭐가?", label=(Answer("비", 0),))
    assert found[0] == LocatedRow(expected, "question q", "날씨")
    assert found[1].group == "비가 온다. 비가"
    assert not counts


def test_answers_go_to_the_nearest_place_where_they_stand():
    ((found,), counts) = squad(article(("비가", 6), ("비가", 1), ("눈", 3), ("비", -9)))
    assert [answer.start for answer in found.row.label] == [7, 0, 3, 0]
    assert counts == {"moved_answers": 3}
    placed = [answer.is_in(found.row.text) for answer in found.row.label]
    assert placed == [True, True, False, True]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "not SQuAD's JSON"),
        ({"data": [{"paragraphs": [{"context": "가"}]}]}, "JSON .*'qas'"),
        ({"data": [article()]}, "question q has no answer"),
        ({"data": [article(("", 0))]}, "question q has no answer"),
        ({"data": [article(("비", "첫째"))]}, "not SQuAD's JSON.*첫째"),
    ],
)
def test_damaged_questions_are_refused(document, message):
    with pytest.raises(UserError, match=message):
        annotations.squad("f", document, True, Counter())
