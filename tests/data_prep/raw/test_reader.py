"""Raw files of every format parsed into records."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.raw import reader, txt
from data_prep.raw.records import ReadSettings, Records
from data_prep.raw.slices import Slice


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def parse(path: str, layout: str = "auto", **options: str) -> Records:
    settings = ReadSettings(txt_documents=layout, **options)
    (records,) = reader.read([path], settings)
    return records


@pytest.mark.parametrize(
    ("layout", "text", "documents"),
    [
        ("auto", "가\n나\n", [["가"], ["나"]]),
        ("auto", "가\n나\n\n다\n", [["가", "나"], ["다"]]),
        ("auto", "가\n나\n\n\n", [["가"], ["나"], [], []]),
        ("line", "가\n나\n\n다\n", [["가"], ["나"], [], ["다"]]),
        ("blank", "가\n나\n", [["가", "나"]]),
        ("blank", "\n\n가\n\n\n나\n다\n\n", [["가"], ["나", "다"]]),
        ("auto", "\n\n", [[], []]),
    ],
)
def test_txt_layouts(write, layout, text, documents):
    found = parse(write("a.txt", text), layout)
    assert found.documents == documents
    assert found.counts["records"] == len(documents)
    assert found.counts["blank_records"] == documents.count([])


def test_numbers_are_lines_of_the_file(write):
    assert parse(write("a.txt", "\n가\n나\n\n\n다\n"), "blank").numbers == [2, 6]
    assert parse(write("b.txt", "가\n나\n"), "line").numbers == [1, 2]
    path = write("a.jsonl", jsonl({"t": "가"}) + "\n" + jsonl({"t": "나"}))
    assert parse(path, text_field="t").numbers == [1, 3]
    assert parse(write("a.tsv", "t\n가\n나\n"), text_field="t").numbers == [2, 3]


def test_late_blank_line_of_a_txt_is_an_error_not_a_guess():
    data = "가\n나\n\n다\n".encode()
    guessed = Slice("a.txt", data, 9001, 99, txt.Layout(False, guessed=True))
    with pytest.raises(UserError, match="line 9003 is blank.*--txt_documents=blank"):
        reader.parse(guessed, ReadSettings())
    chosen = Slice("a.txt", data, 9001, 99, txt.Layout(False, guessed=False))
    assert len(reader.parse(chosen, ReadSettings()).documents) == 4


def test_carriage_returns_are_no_text(write):
    found = parse(write("a.txt", "\ufeff가\r\n나\r\n\r\n\ufeff다\r\n"))
    assert found.documents == [["가", "나"], ["\ufeff다"]]


def test_jsonl_records_are_documents_of_lines(write):
    records = [{"t": "가\n\n나"}, {"t": None}, {"t": 7}, {"t": " "}]
    found = parse(write("a.jsonl", jsonl(*records)), text_field="t")
    assert found.documents == [["가", "나"], [], ["7"], []]


def test_tsv_quotes_are_ordinary(write):
    path = write("a.tsv", 'id\ttext\n1\t"가\n\n2\t나 "다"\n')
    assert parse(path, text_field="text").documents == [['"가'], ['나 "다"']]


def test_groups_and_sort_values(write):
    path = write(
        "a.jsonl", jsonl({"t": "가", "g": 1, "d": "x"}, {"t": "", "g": None, "d": 2})
    )
    found = parse(path, text_field="t", group_field="g", sort_field="d")
    assert found.groups == [1, None]
    assert found.sort_values == ["x", 2]
    assert parse(path, text_field="t").groups == []


def test_invalid_utf8_tells_file_line_and_byte(write):
    path = write("a.txt", "가\n나".encode() + b"\xff\xfe\n")
    with pytest.raises(UserError) as error:
        parse(path)
    assert f"{path}: invalid UTF-8 at byte 7 (line 2): b'\\xff" in str(error.value)
    assert "--on_decode_error=replace" in str(error.value)
    assert "CP949" not in str(error.value)


def test_cp949_is_recognised(write):
    path = write("a.txt", "가\n".encode() + "안녕하세요\n".encode("cp949"))
    with pytest.raises(UserError, match="line 2.*iconv -f CP949"):
        parse(path)


def test_nul_bytes_are_refused(write):
    with pytest.raises(UserError, match=r"a NUL byte at byte 5 \(line 2\)"):
        parse(write("a.txt", b"abc\nd\0\n"))


def test_invalid_bytes_are_replaced_and_counted_if_asked(write):
    path = write("a.txt", b"a\xff\xfe\nb\nc\xff\nd\0\n")
    found = parse(path, on_decode_error="replace")
    assert found.documents == [["a\ufffd\ufffd"], ["b"], ["c\ufffd"], ["d\ufffd"]]
    assert found.counts["decode_errors"] == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '{"body": "가", "id": 1}\n',
            "line 1 has no field 't'; it has body, id.*--text_field",
        ),
        ("a.jsonl", '{"t": "가"}\n["나"]\n', "line 2 is a JSON list, an object"),
        ("a.jsonl", '{"t": "가"}\n{"t": \n', "line 2 is not JSON"),
        ("a.jsonl", '{"t": "가"}{"t": "나"}\n', "line 1 is not JSON.*column 11"),
        ("a.jsonl", "1" * 5000, "line 1 is not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.jsonl", "x", "line 1 is not JSON"),
        ("a.tsv", "id\tbody\n1\t가\n", "no field 't'; it has id, body.*--text_field"),
        (
            "a.tsv",
            "id\tt\n1\t가\n2\t나\t다\n",
            "line 3 has 3 columns, the header has 2",
        ),
        ("a.tsv", "t\tt\n가\t나\n", "2 columns are named 't': rename all but one"),
        ("a.jsonl", '{"t": "가"}\n{"t": ["나"]}\n', "line 2: 't' is a JSON list, text"),
    ],
)
def test_malformed_records_are_errors(write, name, text, message):
    with pytest.raises(UserError, match=message):
        parse(write(name, text), text_field="t")


def test_a_missing_field_late_in_a_file_is_named_by_its_line():
    late = Slice("a.jsonl", jsonl({"t": "가"}, {"x": "나"}).encode(), 7_000_000, 1)
    with pytest.raises(UserError, match="a.jsonl: line 7000001 has no field 't'"):
        reader.parse(late, ReadSettings(text_field="t"))


def test_wrong_group_field_lists_the_fields(write):
    path = write("a.jsonl", jsonl({"t": "가", "thread": 1}))
    message = "no field 'g'; it has t, thread.*--group_field"
    with pytest.raises(UserError, match=message):
        parse(path, text_field="t", group_field="g")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.jsonl", "a.tsv"]))
def test_any_bytes_are_parsed_or_refused_in_words(data, name):
    layouts = {"a.txt": txt.Layout(False, False), "a.tsv": ("t", "g")}
    piece = Slice(name, data, 1, 0, layouts.get(name))
    for on_error in ("strict", "replace"):
        options = ReadSettings("t", "g", on_decode_error=on_error)
        try:
            found = reader.parse(piece, options)
        except UserError as error:
            assert str(error).startswith(f"{name}: ")
        else:
            assert found.counts["bytes"] == len(data)
            assert len(found.documents) == len(found.numbers)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip", "a"])
def test_unknown_formats_are_refused(name):
    with pytest.raises(UserError, match="cannot tell its format; names end in .txt"):
        reader.check([name], ReadSettings())
