"""Documents in, shards out."""

import gzip
import hashlib
import json
import os
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import corpus, manifest, shards
from data_prep.cli import UserError
from data_prep.corpus import ReadOptions


def read(*paths: str, **options: str) -> list[corpus.Document]:
    return list(corpus.Reader(list(paths), ReadOptions(**options)).documents())


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("layout", "text", "documents"),
    [
        ("auto", "가\n나\n", [["가"], ["나"]]),
        ("auto", "가\n나\n\n다\n", [["가", "나"], ["다"]]),
        ("auto", "가\n나\n\n\n", [["가"], ["나"]]),
        ("auto", "가\n \t\n나", [["가"], ["나"]]),
        ("line", "가\n나\n\n다\n", [["가"], ["나"], ["다"]]),
        ("blank", "가\n나\n", [["가", "나"]]),
        ("blank", "\n\n가\n\n\n나\n다\n\n", [["가"], ["나", "다"]]),
        ("auto", "", []),
        ("auto", "\n\n", []),
    ],
)
def test_txt_layouts(write, layout, text, documents):
    assert read(write("a.txt", text), txt_documents=layout) == documents


def test_late_blank_line_of_a_txt_is_an_error_not_a_guess(write):
    late = write("a.txt", "가\n" * 10_000 + "나\n\n다\n")
    with pytest.raises(UserError, match="line 10002 is blank.*--txt_documents=blank"):
        read(late)
    assert len(read(late, txt_documents="line")) == 10_002
    assert len(read(late, txt_documents="blank")) == 2


def test_blank_lines_that_end_a_long_txt_are_no_error(write):
    assert len(read(write("a.txt", "가\n" * 10_001 + "\n\n"))) == 10_001


def test_blank_line_within_the_first_ten_thousand_decides(write):
    assert len(read(write("a.txt", "가\n" * 9_998 + "\n나\n다\n"))) == 2


def test_crlf_and_byte_order_mark_are_no_text(write):
    text = "\ufeff가\r\n나\r\n\r\n\ufeff다\r\n"
    assert read(write("a.txt", text)) == [["가", "나"], ["\ufeff다"]]
    text = '\ufeff{"t": "가"}\r\n'
    assert read(write("a.jsonl", text), text_field="t") == [["가"]]
    assert read(write("a.tsv", "\ufeffn\tt\r\n1\t가\r\n"), text_field="t") == [["가"]]


def test_jsonl_records_are_documents_of_lines(write):
    path = write("a.jsonl", jsonl({"t": "가\n\n나"}, {"t": None}, {"t": "다"}) + "\n")
    assert read(path, text_field="t") == [["가", "나"], ["다"]]


def test_tsv_quotes_are_ordinary(write):
    path = write("a.tsv", 'id\ttext\n1\t"가\n2\t나 "다"\n')
    assert read(path, text_field="text") == [['"가'], ['나 "다"']]


@pytest.mark.parametrize(
    ("groups", "documents", "regrouped"),
    [
        ([1, 1, 2], [["0", "1"], ["2"]], 0),
        ([1, 2, 1, 1], [["0"], ["1"], ["2", "3"]], 1),
        ([None, None, 1, None], [["0", "1"], ["2"], ["3"]], 1),
    ],
)
def test_consecutive_records_of_a_group_join(write, groups, documents, regrouped):
    records = [{"t": str(n), "g": group} for n, group in enumerate(groups)]
    path = write("a.jsonl", jsonl(*records))
    reader = corpus.Reader([path], ReadOptions(text_field="t", group_field="g"))
    assert list(reader.documents()) == documents
    assert reader.counts["regrouped"] == regrouped
    assert reader.counts["records"] == len(groups)


@pytest.mark.parametrize("extension", ["", ".gz", ".zst"])
def test_compressed_files_read_alike(write, extension):
    compress = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[extension]
    two_parts = compress("가나\n".encode()) + compress("다라\n".encode())
    path = write("a.txt" + extension, two_parts)
    reader = corpus.Reader([path], ReadOptions())
    assert list(reader.documents()) == [["가나"], ["다라"]]
    assert dict(reader.counts) == {
        "files": 1,
        "bytes": 14,
        "records": 2,
        "documents": 2,
        "regrouped": 0,
    }
    assert reader.position() == reader.total_bytes == len(two_parts)


def test_large_zst_reads_whole(write):
    text = "가나다라 마바사\n" * 200_000
    path = write("a.txt.zst", zstandard.compress(text.encode()))
    assert len(read(path)) == 200_000


@pytest.mark.parametrize(
    ("extension", "compress"),
    [
        (".gz", gzip.compress),
        (".zst", zstandard.ZstdCompressor(write_checksum=True).compress),
    ],
)
def test_damaged_compressed_file_is_an_error(write, extension, compress):
    rng = random.Random(0)
    text = "\n".join(str(rng.random()) for _ in range(20_000))
    whole = compress(text.encode())
    for cut in (len(whole) // 2, len(whole) - 1):
        path = write("a.txt" + extension, whole[:cut])
        with pytest.raises(UserError, match="a.txt.*cannot be read past byte.*cut"):
            read(path)
    for start in range(20, len(whole) - 20, len(whole) // 8):
        path = write("a.txt" + extension, whole[:start] + b"?" * 9 + whole[start + 9 :])
        with pytest.raises(UserError, match="a.txt"):
            read(path)
    with pytest.raises(UserError, match="cannot be read past byte 0"):
        read(write("b.txt" + extension, "plain text\n"))


def test_invalid_utf8_tells_file_and_byte_offset(write):
    path = write("a.txt", "가\n나".encode() + b"\xff\xfe\n")
    with pytest.raises(UserError) as error:
        read(path)
    assert f"{path}: invalid UTF-8 at byte 7 (line 2): b'\\xff'" in str(error.value)
    assert "--on_decode_error=replace" in str(error.value)


def test_invalid_utf8_is_replaced_and_counted_if_asked(write):
    path = write("a.txt", b"a\xff\xfe\nb\nc\xff\n")
    reader = corpus.Reader([path], ReadOptions(on_decode_error="replace"))
    assert list(reader.documents()) == [["a\ufffd\ufffd"], ["b"], ["c\ufffd"]]
    assert reader.counts["decode_errors"] == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '{"body": "가", "id": 1}\n',
            "no field 't'; it has body, id.*--text",
        ),
        ("a.jsonl", '{"t": "가"}\n["나"]\n', "line 2 is a JSON list, an object"),
        ("a.jsonl", '{"t": "가"}\n{"t": \n', "line 2 is not JSON"),
        ("a.jsonl", "1" * 5000, "line 1 is not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.tsv", "id\tbody\n1\t가\n", "no field 't'; it has id, body.*--text_field"),
        (
            "a.tsv",
            "id\tt\n1\t가\n2\t나\t다\n",
            "line 3 has 3 columns, the header has 2",
        ),
    ],
)
def test_malformed_records_are_errors(write, name, text, message):
    with pytest.raises(UserError, match=message):
        read(write(name, text), text_field="t")


def test_wrong_group_field_lists_the_fields(write):
    path = write("a.jsonl", jsonl({"t": "가", "thread": 1}))
    with pytest.raises(
        UserError, match="no field 'g'; it has t, thread.*--group_field"
    ):
        read(path, text_field="t", group_field="g")


def test_inputs_are_sorted_and_each_once(write, tmp_path):
    b, a = write("b.txt", "나"), write("a.jsonl.gz", "")
    assert corpus.find_inputs([f"{tmp_path}/*", b]) == [a, b]
    assert corpus.find_inputs([b, f"{tmp_path}/*"]) == [b, a]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("no/*.txt", "no file matches '.*no/.*txt'"),
        ("folder", "folder is a folder, files are needed"),
        ("a.csv", "cannot tell its format; names end in .txt, .jsonl, .tsv"),
        ("a.csv.gz", "cannot tell its format"),
        ("a.zip", "cannot tell its format"),
    ],
)
def test_unusable_inputs_are_refused(write, tmp_path, pattern, message):
    for name in ("a.csv", "a.csv.gz", "a.zip", "folder/a.txt"):
        write(name, "x")
    with pytest.raises(UserError, match=message):
        corpus.find_inputs([str(tmp_path / pattern)])


LINES = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1)
DOCUMENTS = st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=8)


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS, st.integers(1, 60))
def test_shards_round_trip_and_match_their_entries(
    tmp_path_factory, documents, shard_bytes
):
    folder = str(tmp_path_factory.mktemp("shards"))
    with shards.ShardWriter(folder, shard_bytes) as writer:
        for document in documents:
            writer.write(document)
    names = [entry["name"] for entry in writer.entries]
    assert names == [f"corpus-{i:05d}.txt" for i in range(len(names))]
    assert sorted(os.listdir(folder)) == names
    found = []
    for entry in writer.entries:
        path = os.path.join(folder, entry["name"])
        with open(path, "rb") as handle:
            data = handle.read()
        assert entry["bytes"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        counts = {key: entry[key] for key in ("lines", "documents")}
        assert entry == manifest.file_entry(folder, entry["name"], **counts)
        reported: list[int] = []
        shard = list(shards.read_shard(path, reported.append))
        assert counts == {"lines": sum(map(len, shard)), "documents": len(shard)}
        assert sum(reported) == len(data)
        found += shard
    assert found == documents
    assert all(entry["bytes"] >= shard_bytes for entry in writer.entries[:-1])


def test_shards_of_a_failed_run_have_no_half_written_file(tmp_path):
    with pytest.raises(RuntimeError):
        with shards.ShardWriter(str(tmp_path), 10) as writer:
            writer.write(["가나다라마바사"])
            writer.write(["가"])
            raise RuntimeError
    assert os.listdir(tmp_path) == ["corpus-00000.txt"]
    assert len(writer.entries) == 1
