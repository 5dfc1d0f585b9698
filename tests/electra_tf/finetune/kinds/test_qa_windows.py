"""Windows, and where in them answers are, against plain loops over characters."""

import numpy as np
import pytest
from helpers import questions
from helpers.questions import TOKENS, row
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import UserError
from electra_tf.finetune.kinds import qa_windows

TOKENIZER = questions.tokenizer()


def build(rows, max_seq_length=32, doc_stride=8, max_query_length=8, **options):
    lengths = max_seq_length, doc_stride, max_query_length
    return qa_windows.build(rows, TOKENIZER, *lengths, **options)


def tokens(features, window: int) -> str:
    return " ".join(TOKENS[i] for i in features.input_ids.row(window))


def gold_text(features, rows, window: int) -> str:
    """The characters of the window's gold tokens."""
    shift = features.first_token[window] - features.context_position[window]
    spans = features.token_spans.row(features.context_index[window])
    start = spans[features.targets[window, 0] + shift, 0]
    end = spans[features.targets[window, 1] + shift, 1]
    return rows[features.row_index[window]].text[start:end]


def test_one_window_holds_question_context_and_answer():
    rows = [row("서울은 한국의 수도 이다.", ("한국", 4))]
    features, counts = build(rows)
    assert tokens(features, 0) == (
        "[CLS] 수도 ? [SEP] 서울 ##은 한국 ##의 수도 [UNK] . [SEP]"
    )
    assert features.segment_ids.row(0).tolist() == [0] * 4 + [1] * 8
    assert features.targets[:, 0].tolist() == [6]
    assert features.targets[:, 1].tolist() == [6]
    assert gold_text(features, rows, 0) == "한국"
    assert features.context_lengths.tolist() == [7]
    assert counts == {
        "questions": 1,
        "long_questions": 0,
        "empty_contexts": 0,
        "dropped": 0,
        "not_of_whole_tokens": 0,
        "in_no_window": 0,
        "windows": 1,
        "answers": 1,
        "answer_not_in_text": 0,
        "answer_without_token": 0,
    }


def test_a_long_context_has_windows_a_stride_apart():
    rows = [row("서울", ("서울", 0)), row("0 1 2 3 4 5 6 7 8", ("5 6", 10))]
    features, counts = build(rows, max_seq_length=9, doc_stride=3, max_query_length=2)
    found = [tokens(features, i) for i in range(len(features.input_ids))]
    assert found == [
        "[CLS] 수도 ? [SEP] 서울 [SEP]",
        "[CLS] 수도 ? [SEP] 0 1 2 3 [SEP]",
        "[CLS] 수도 ? [SEP] 3 4 5 6 [SEP]",
        "[CLS] 수도 ? [SEP] 6 7 8 [SEP]",
    ]
    assert features.row_index.tolist() == [0, 1, 1, 1]
    assert features.first_token.tolist() == [0, 0, 3, 6]
    # [CLS] stands for an answer that is elsewhere, or is there in part.
    assert features.targets[:, 0].tolist() == [4, 0, 6, 0]
    assert features.targets[:, 1].tolist() == [4, 0, 7, 0]
    assert counts["windows"] == 4


def test_an_answer_that_ends_within_a_token_is_that_token():
    rows = [row("부산에 이 다", ("부산", 0)), row("서울에 이 다", ("서울", 0))]
    features, counts = build(rows)
    assert gold_text(features, rows, 0) == "부산에"
    assert gold_text(features, rows, 1) == "서울"
    assert counts["not_of_whole_tokens"] == 1


def test_one_answer_of_whole_tokens_is_enough_to_match_exactly():
    rows = [row("부산에 서울", ("부산", 0), ("서울", 4))]
    features, counts = build(rows)
    assert gold_text(features, rows, 0) == "부산에"  # the first is trained on
    assert counts["not_of_whole_tokens"] == 0


def test_spaces_around_an_answer_are_no_part_of_it():
    rows = [row("서울  한국  부산", (" 한국  ", 3))]
    features, counts = build(rows)
    assert gold_text(features, rows, 0) == "한국"
    assert counts["not_of_whole_tokens"] == 0


WRONG = [
    row("서울 부산", ("부산", 0)),
    row("서울 부산", ("부산", -2)),
    row("서울 부산", ("부산", 99)),
    row("서울  부산", (" ", 2), ("", 0)),
    row("서울 부산"),
    row("  ", (" ", 0)),
]


def test_answers_that_stand_elsewhere_are_counted():
    features, counts = build([*WRONG, row("서울 부산", ("부산", 0), ("부산", 3))])
    assert features.targets[:, 0].tolist() == [0] * 5 + [5]  # "  " has no window
    assert counts["answers"] == 8
    assert counts["answer_not_in_text"] == 4
    assert counts["answer_without_token"] == 3
    assert counts["empty_contexts"] == 1
    assert counts["dropped"] == 0


def test_training_drops_rows_without_an_answer():
    rows = [*WRONG, row("서울 부산", ("서울", 0))]
    features, counts = build(rows, drop_unanswered=True)
    assert features.row_index.tolist() == [6]
    assert features.targets[:, 0].tolist() == [4]
    assert counts["dropped"] == 6
    features, counts = build(WRONG, drop_unanswered=True)
    assert len(features.input_ids) == len(features.row_index) == counts["windows"] == 0


def test_no_rows_are_no_windows():
    features, counts = build([])
    assert len(features.input_ids) == 0
    assert not any(counts.values())


def test_long_questions_are_cut():
    rows = [row("서울", question="수도 는 ? 이 다"), row("서울", question="수도 ?")]
    features, counts = build(rows, max_query_length=3)
    assert tokens(features, 0) == "[CLS] 수도 는 ? [SEP] 서울 [SEP]"
    assert tokens(features, 1) == "[CLS] 수도 ? [SEP] 서울 [SEP]"
    assert counts["long_questions"] == 1


def test_answers_longer_than_the_overlap_may_be_in_no_window():
    rows = [row("0 1 2 3 4 5", ("1 2", 2)), row("0 1 2 3 4 5", ("2 3", 4))]
    features, counts = build(rows, max_seq_length=8, doc_stride=9, max_query_length=2)
    assert features.first_token.tolist() == [0, 3, 0, 3]  # all the same no gaps
    assert features.targets[:, 0].tolist() == [5, 0, 0, 0]
    assert counts["in_no_window"] == 1


def test_lengths_must_leave_place_for_the_context():
    rows = [row("서울 부산", question="수도 ?")]
    features, _ = build(rows, max_seq_length=6, max_query_length=2, doc_stride=1)
    assert features.input_ids.lengths.tolist() == [6, 6]
    with pytest.raises(UserError, match="max_seq_length=5 leaves no room"):
        build(rows, max_seq_length=5, max_query_length=2)


def window_starts(num_tokens: int, room: int, doc_stride: int) -> list[int]:
    starts = [0]
    while starts[-1] + room < num_tokens:
        starts.append(starts[-1] + min(room, doc_stride))
    return starts


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 15))
def test_windows_cover_the_context_and_short_answers(number, room, doc_stride):
    context = "0" + " 1" * (number - 1)
    rows = [row(context, (context[2 * i : 2 * i + 1], 2 * i)) for i in range(number)]
    features, counts = build(rows, room + 5, doc_stride, max_query_length=2)
    starts = window_starts(number, room, doc_stride)
    assert features.first_token.tolist() == starts * number
    ends = (features.first_token + features.context_lengths)[: len(starts)]
    assert ends.tolist() == [min(start + room, number) for start in starts]
    assert ends[-1] == number
    assert counts["in_no_window"] == 0


# Characters with and without tokens; those that the tokenizer drops, parts, or that
# become two when lower-cased.
PIECES = ["서울", "은", "부산에", "가나", "ab", "A", "漢", ".", "《", "뷁", "İ", "😀"]
PIECES += [
    " ",
    "  ",
    "\u200b",
    "\u0301",
    "\x00",
    "\ufe0f",
    "\u1112\u1161\u11ab",
    "[SEP]",
]
CONTEXT = st.lists(st.sampled_from(PIECES), min_size=1, max_size=30).map("".join)


@st.composite
def answered(draw):
    context = draw(CONTEXT)
    start = draw(st.integers(0, len(context) - 1))
    end = draw(st.integers(start + 1, len(context)))
    return row(context, (context[start:end], start))


@given(
    st.lists(answered(), min_size=1, max_size=4),
    st.integers(6, 40),
    st.integers(1, 20),
    st.booleans(),
)
@example([row("aİb", ("İ", 1))], 40, 20, True)
def test_gold_tokens_are_those_that_share_a_character_with_the_answer(
    rows, max_seq_length, doc_stride, lowercase
):
    tokenizer = questions.tokenizer(lowercase)
    features, counts = qa_windows.build(
        rows, tokenizer, max_seq_length, doc_stride, max_query_length=2
    )
    room = max_seq_length - 5
    found = dict.fromkeys(range(len(rows)), False)
    for window, index in enumerate(features.row_index.tolist()):
        encoding = tokenizer.encode(rows[index].text, add_special_tokens=False)
        gold = sharing(encoding.offsets, rows[index])
        first = features.first_token[window]
        number = features.context_lengths[window]
        part = features.input_ids.row(window)[features.context_position[window] : -1]
        assert part.tolist() == encoding.ids[first : first + number]
        if gold and first <= gold[0] and gold[-1] < first + number:
            shift = features.context_position[window] - first
            assert features.targets[window, 0] == gold[0] + shift
            assert features.targets[window, 1] == gold[-1] + shift
            text = gold_text(features, rows, window)
            begin, end = encoding.offsets[gold[0]][0], encoding.offsets[gold[-1]][1]
            assert text == rows[index].text[begin:end]
            found[index] = True
        else:
            assert features.targets[window, 0] == 0
            assert features.targets[window, 1] == 0
    for index, is_found in found.items():
        encoding = tokenizer.encode(rows[index].text, add_special_tokens=False)
        gold = sharing(encoding.offsets, rows[index])
        overlap = room - min(doc_stride, room)
        assert is_found or not gold or gold[-1] - gold[0] > overlap
    assert counts["answer_not_in_text"] == 0
    assert counts["in_no_window"] + counts["answer_without_token"] == len(rows) - sum(
        found.values()
    )


def sharing(offsets: list[tuple[int, int]], row) -> list[int]:
    """Tokens that hold a character of the answer, less the spaces around it."""
    (answer,) = row.label
    characters = set(range(answer.start, answer.start + len(answer.text)))
    characters -= {i for i, character in enumerate(row.text) if character.isspace()}
    return [i for i, (a, b) in enumerate(offsets) if characters & set(range(a, b))]


def test_arrays_are_int32():
    features, _ = build([row("서울", ("서울", 0))])
    for value in features:
        assert getattr(value, "values", value).dtype == np.int32
