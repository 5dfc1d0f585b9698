"""Labelled files in the formats that public sets have, and in those of users."""

import json
import pathlib
from collections.abc import Callable

import pytest
from helpers.own_task import custom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from electra_tf.finetune.data import readers
from electra_tf.finetune.data.tasks import TASKS, Task
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Row

Write = Callable[[str, str | bytes], str]
PLAIN = custom(kinds.CLASSIFICATION, "train.tsv")
PAIRS = custom(kinds.CLASSIFICATION, "train.tsv", text_pair_column="pair")
# Some of these end a line for str.splitlines, but not here.
FIELD = st.text(st.characters(exclude_characters="\t\n\r", codec="utf-8"))


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    def write_file(name: str, content: str | bytes) -> str:
        data = content.encode("utf-8") if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write_file


def rows(task: Task, path: str) -> list[Row]:
    return [found.row for found in readers.read(task, path)[0]]


def labels(task: Task, path: str) -> list:
    return [row.label for row in rows(task, path)]


def test_tsv_quotes_are_ordinary(write):
    path = write("a.tsv", 'id\tdocument\tlabel\n7\t"굿\t1\n8\t그는 ""말""했다"\t0\n')
    assert rows(TASKS["nsmc"], path) == [
        Row("7", '"굿', label="1"),
        Row("8", '그는 ""말""했다"', label="0"),
    ]


def test_byte_order_mark_and_carriage_returns_are_no_text(write):
    path = write("a.tsv", "\ufefftext\tlabel\r\n가\t참\r\n\r\n나\t거짓\r\n")
    assert rows(PLAIN, path) == [
        Row("2", "가", label="참"),
        Row("4", "나", label="거짓"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(FIELD, FIELD), min_size=1))
def test_tsv_fields_come_back_as_they_are(write, pairs):
    lines = [f"{text}\t{pair}\tx" for text, pair in pairs]
    path = write("a.tsv", "\n".join(["text\tpair\tlabel", *lines]))
    assert [(row.text, row.text_pair) for row in rows(PAIRS, path)] == pairs


def test_tsv_without_a_header(write):
    path = write("a.txt", "0\t연두색\r\n6\t뭐\r\n")
    assert rows(TASKS["3i4k"], path) == [
        Row("1", "연두색", label="0"),
        Row("2", "뭐", label="6"),
    ]


def test_columns_may_stand_in_any_order(write):
    path = write("a.tsv", "Label\tText_origin\tText\n0\t옛말\t새말\n")
    assert rows(TASKS["kobest_sentineg"], path) == [Row("2", "새말", label="0")]


def test_choices_and_joined_columns(write):
    path = write(
        "a.tsv",
        "ID\tsentence\tquestion\t1\t2\tAnswer\n9\t비가 왔다.\t결과\t가\t나\t2\n",
    )
    expected = Row("9", "비가 왔다. 결과", choices=("가", "나"), label=1)
    assert rows(TASKS["kobest_copa"], path) == [expected]


def test_letter_case_of_published_labels_does_not_matter(write):
    path = write("a.tsv", "SENTENCE1\tSENTENCE2\tANSWER\n가\t나\tTRUE\n가\t나\tFalse\n")
    assert labels(TASKS["kobest_wic"], path) == ["True", "False"]
    own = write("b.tsv", "text\tlabel\n가\tTRUE\n나\tTrue\n")
    assert labels(PLAIN, own) == ["TRUE", "True"]


def test_json_lists_and_what_lies_deeper(write):
    value = {
        "guid": "sts_0",
        "sentence1": "가",
        "sentence2": "나",
        "labels": {"label": 4.9, "real-label": 4.857, "binary-label": 1},
        "annotations": {"annotators": ["17"]},
    }
    path = write("a.json", json.dumps([value]))
    assert rows(TASKS["klue_sts"], path) == [Row("sts_0", "가", "나", label=4.857)]


def test_jsonl_values_of_other_types(write):
    lines = ['{"text": "가", "label": 1}', "", '{"text": null, "label": true}']
    path = write("a.jsonl", "\n".join(lines))
    assert rows(PLAIN, path) == [Row("1", "가", label="1"), Row("3", "", label="true")]


def test_several_labels_of_a_text(write):
    task = custom(kinds.MULTI_LABEL, "t", label_separator="|")
    tsv = write("a.tsv", "text\tlabel\n가\tb| a |b\n나\t\n")
    assert labels(task, tsv) == [("b", "a"), ()]
    jsonl = write("a.jsonl", '{"text": "가", "label": ["a|b", "c"]}')
    assert labels(task, jsonl) == [("a|b", "c")]


def test_label_of_ones_own_choices_counts_from_0(write):
    task = custom(kinds.MULTIPLE_CHOICE, "t", choice_columns=("a", "b"))
    assert labels(task, write("a.tsv", "text\ta\tb\tlabel\n가\t나\t다\t1\n")) == [1]
    with pytest.raises(
        UserError, match="line 2: 'label' is '2', not one of the choices 0, 1"
    ):
        readers.read(task, write("b.tsv", "text\ta\tb\tlabel\n가\t나\t다\t2\n"))


@pytest.mark.parametrize("number", ["높음", "nan", "inf", "1,5"])
def test_what_is_no_number(write, number):
    task = custom(kinds.REGRESSION, "t")
    assert labels(task, write("a.tsv", "text\tlabel\n가\t-1.5e0\n")) == [-1.5]
    with pytest.raises(
        UserError, match=f"a.tsv, line 3: 'label' is '{number}', not a number"
    ):
        readers.read(task, write("a.tsv", f"text\tlabel\n가\t1\n나\t{number}\n"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", "has no rows"),
        ("a.tsv", "text\tlabel\n", "has no rows"),
        (
            "a.tsv",
            "문장\tlabel\n가\t1\n",
            "no column 'text'; its columns are 문장, label",
        ),
        (
            "a.tsv",
            "text\tlabel\n가\t나\t1\n",
            "line 2 has 3 fields, not 2 .text, label",
        ),
        ("a.tsv", "text\tlabel\n가\n", "line 2 has 1 fields, not 2"),
        (
            "a.tsv",
            "text\tlabel\n가\t \n",
            "line 2: 'label' is empty: each row needs a label",
        ),
        ("a.tsv", "text\tlabel\n가\t1\n나".encode("cp949"), "line 2.*iconv -f CP949"),
        ("a.csv", "text,label\n", "the name must end in .tsv, .jsonl, .json"),
        ("a.jsonl", '{"text": "가", "label": 1}\n{"text', "line 2 is not JSON"),
        ("a.jsonl", '{"text": "가"}', "line 1 has no column 'label'.*are text"),
        ("a.jsonl", '["가"]', "line 1 is not an object"),
        ("a.jsonl", '{"text": ["가"], "label": 1}', "line 1: 'text' is .*, not text"),
        ("a.json", '{"text": "가"}', "is not a list of objects"),
        ("a.json", '[{"text": "가", "label": 1}, 3]', "object 2 is not an object: '3'"),
    ],
)
def test_damaged_files_are_refused_by_place(write, name, content, message):
    with pytest.raises(UserError, match=message):
        readers.read(PLAIN, write(name, content))


def test_rows_to_be_predicted(write):
    expected = [Row("1", "가\t나"), Row("2", ""), Row("3", "다")]
    assert readers.unlabelled(PLAIN, write("a.txt", "가\t나\n\n다\n")) == expected
    pairs = readers.unlabelled(PAIRS, write("b.txt", "가\t나\n"))
    assert pairs == [Row("1", "가", "나")]
    tsv = write("a.tsv", "label\ttext\n없음\t가\n")
    assert readers.unlabelled(PLAIN, tsv) == [Row("2", "가")]
    blank = readers.unlabelled(PLAIN, write("b.tsv", "text\n가\n\n나\n"))
    assert [row.text for row in blank] == ["가", "", "나"]
    assert readers.unlabelled(TASKS["3i4k"], tsv) == [Row("2", "가")]
    jsonl = write("a.jsonl", '{"text": "가"}\n')
    assert readers.unlabelled(PLAIN, jsonl) == [Row("1", "가")]


def test_a_set_that_is_tsv_under_another_name_is_predicted_as_one(write):
    path = write("ratings_test.txt", "id\tdocument\tlabel\n7\t굿\t1\n")
    assert readers.unlabelled(TASKS["nsmc"], path) == [Row("7", "굿")]


def test_units_to_be_tagged(write):
    path = write("a.txt", "나는 간다\n")
    words = readers.unlabelled(TASKS["naver_ner"], path)[0].label
    assert words == ((0, 2, ""), (3, 5, ""))
    characters = readers.unlabelled(TASKS["klue_ner"], path)[0].label
    assert [unit.start for unit in characters] == [0, 1, 3, 4]


def test_questions_to_be_answered(write):
    document = {
        "paragraphs": [{"context": "비", "qas": [{"id": "q", "question": "뭐"}]}]
    }
    squad = write("a.json", json.dumps({"data": [document]}))
    assert readers.unlabelled(TASKS["korquad"], squad) == [Row("q", "비", "뭐")]
    tsv = write("a.tsv", "question\tcontext\n뭐\t비\n")
    assert readers.unlabelled(TASKS["korquad"], tsv) == [Row("2", "비", "뭐")]


@pytest.mark.parametrize(
    ("task", "name", "content", "message"),
    [
        (PAIRS, "a.txt", "가\n", "line 1 has 1 fields.*must have 2: text, pair"),
        (PLAIN, "a.tsv", "문장\n가\n", "no column 'text'"),
        (PLAIN, "a.csv", "가\n", "the name must end in .txt, .tsv, .jsonl, .json"),
        (PLAIN, "a.txt", "", "has no rows"),
    ],
)
def test_what_cannot_be_predicted(write, task, name, content, message):
    with pytest.raises(UserError, match=message):
        readers.unlabelled(task, write(name, content))
