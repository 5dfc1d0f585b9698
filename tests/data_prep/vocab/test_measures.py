"""Figures of a vocabulary on held-out text."""

import json

import pytest

from common.errors import UserError
from data_prep.vocab import measures, vocabulary


def tokenizer(*tokens: str, special_tokens: tuple[str, ...] = ()):
    names = [*vocabulary.SPECIAL_TOKENS, *special_tokens, *tokens]
    options = vocabulary.TokenizerOptions(special_tokens=special_tokens)
    return vocabulary.wordpiece({name: i for i, name in enumerate(names)}, options)


TOKENIZER = tokenizer("학교", "##에서", "##는", "가", "##나", ".", "a")


def measure(*lines: str, using=TOKENIZER, special=("[SEP]",)) -> dict:
    return measures.measure(using, lines, list(special))


def test_shares_are_of_words_and_tokens():
    found = measure("학교에서는 가", "학교. 漢字 가")
    # Tokens: 학교 ##에서 ##는 | 가 | 학교 . | [UNK] [UNK] | 가; five words.
    assert found["tokens_per_word"] == 9 / 5
    assert found["unk_tokens"] == 2 / 9
    assert found["unk_words"] == 1 / 5
    # 학교에서는, 가, 학교, ".", 漢, 字, 가
    assert found["whole_words"] == 4 / 7
    assert found["tokens_per_syllable"] == 5 / 7
    assert found["unk_causes"] == {"漢": 1, "字": 1}
    assert found["vocab_size"] == 12


def test_causes_are_the_forms_that_lack():
    found = measure("가학 가나학 가a", "힣" * 101)
    assert found["unk_causes"] == {
        "##학": 2,
        "##a": 1,
        "longer than 100 characters": 1,
    }


def test_sequence_lengths_hold_cls_and_sep():
    lengths = measure("가", "가 가나", "학교에서는 가")["sequence_length"]
    assert lengths["50"] == 5
    assert lengths["100"] == 6


def test_coverage_needs_both_forms():
    assert len(measures._KS_X_1001) == 2350
    assert len(measures._SYLLABLES) == 11172
    found = measure("가", using=tokenizer("가", "##가", "나", "힢", "##힢"))
    assert found["ks_x_1001_syllables"] == 1 / 2350
    assert found["all_syllables"] == 2 / 11172


def test_special_tokens_are_looked_for_inside_text():
    special = ("[SEP]", "[PHONE]")
    using = tokenizer("가", special_tokens=("[PHONE]",))
    assert measure("가", using=using, special=special)["special_tokens_whole"] == 1
    assert measure("가", special=special)["special_tokens_whole"] == 0.5


def test_speed_is_measured():
    assert measure("학교에서는 가")["characters_per_second"] > 0


def test_no_words_are_refused():
    with pytest.raises(UserError, match="contains no word"):
        measure("", " ")


def squad(*answers: tuple[str, int], context: str = "가나 학교에서는.") -> str:
    found = [{"text": text, "answer_start": start} for text, start in answers]
    paragraph = {"context": context, "qas": [{"answers": found}]}
    return json.dumps({"data": [{"paragraphs": [paragraph]}]})


def test_span_boundaries(write):
    answers = [("학교", 3), ("학교에", 3), ("교에서", 4), ("교", 4), ("가나", 0)]
    path = write("dev.json", squad(*answers))
    found = measures.span_boundaries(TOKENIZER, path)
    assert found == {"answers": 5, "start": 0.6, "end": 0.8, "both": 0.4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not in the format of SQuAD"),
        ('{"data": [{}]}', "is not in the format of SQuAD"),
        (squad(("없는", 0)), "'없는' is not at character 0"),
        (squad(), "contains no answer"),
    ],
)
def test_a_bad_squad_file_is_refused(write, text, message):
    with pytest.raises(UserError, match=message):
        measures.span_boundaries(TOKENIZER, write("dev.json", text))


def test_side_by_side():
    found = measures.side_by_side({"a": TOKENIZER}, ["학교에서"])
    assert found == [{"text": "학교에서", "tokens": {"a": ["학교", "##에서"]}}]
