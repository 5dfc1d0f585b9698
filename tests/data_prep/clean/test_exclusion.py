"""Evaluation texts found in training lines."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.clean import exclusion


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("이 영화, 정말 좋았어요!!", "이영화정말좋았어요"),
        ("ＡＢＣ ㈜회사_1", "abc주회사1"),
        ("가\n나 다", "가\n나다"),
        ("\u1112\u1161\u11ab국", "한국"),
    ],
)
def test_normalized_texts_are_letters_and_digits(text, normal):
    assert exclusion.normalize(text) == normal


def test_files_of_every_format_are_read(write, tmp_path):
    write("a.tsv", 'id\ttext\tlabel\n1\t좋은 영화\t1\n2\t"나쁜 영화\t0\n')
    write("b.json", '{"data": [{"q": "질문 하나?", "n": 3, "a": ["답", {"x": "둘"}]}]}')
    write("c.jsonl", '{"t": "셋"}\n\n["넷"]\n')
    write("d.txt.gz", gzip.compress("\ufeff다섯\n".encode()))
    write("e.csv", '여섯,"일곱"\n')
    found = exclusion.read_texts([f"{tmp_path}/*"])
    wanted = "좋은영화 나쁜영화 질문하나 답 둘 셋 넷 다섯 여섯 일곱".split()
    assert set(wanted) <= set(found)
    assert found == sorted(found)
    assert not {"label", "1", ""} & set(found)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "id\ttext\n1\tabc\n", "a.tsv contains no Korean text"),
        ("a.json", '{"a": ', "a.json is not JSON"),
        ("a.txt", b"\xff", "invalid UTF-8 at byte 0"),
        ("a.txt", "가".encode("utf-16"), "a.txt is UTF-16"),
        ("a.jsonl", '{"a": 1}\n{\n', "line 2 is not JSON"),
        ("a.xlsx", "가", "names end in .txt, .tsv"),
    ],
)
def test_unusable_files_are_refused(write, name, content, message):
    with pytest.raises(UserError, match=f"--exclude: .*{message}"):
        exclusion.read_texts([write(name, content)])


def test_equal_lines_and_lines_that_contain_a_long_text_are_found():
    excluder = exclusion.Excluder(["굿", "정말재미있는영화"], min_characters=5)
    lines = [
        "굿",
        "굿!!",
        "굿굿",
        "참 굿",
        "이건 정말 재미있는 영화였다",
        "정말 재미",
        "있는 영화",
        "정말 재미있는 영화",
    ]
    assert excluder.find(lines) == {
        0: "굿",
        1: "굿",
        4: "정말재미있는영화",
        7: "정말재미있는영화",
    }


TEXTS = st.lists(st.text(st.sampled_from("가나"), min_size=1, max_size=4), max_size=4)


@settings(deadline=None)
@given(TEXTS, st.lists(st.text(st.sampled_from("가나 !"), max_size=8), max_size=6))
def test_found_lines_are_those_of_a_plain_search(texts, lines):
    texts = sorted(set(texts))
    found = exclusion.Excluder(texts, min_characters=3).find(lines)
    normal = [exclusion.normalize(line) for line in lines]
    expected = {
        i
        for i, line in enumerate(normal)
        if line in texts or any(len(t) >= 3 and t in line for t in texts)
    }
    assert set(found) == expected
    assert all(found[i] in normal[i] for i in found)
