"""Raw files cut into slices and parts."""

import functools
import gzip
import random
import struct
import tracemalloc

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.raw import reader, slices
from data_prep.raw.reader import Bundle, Part, Reader
from data_prep.raw.records import ReadSettings


def parts_of(*paths: str, layout="auto", slice_bytes=slices.SLICE_BYTES) -> list[Part]:
    settings = ReadSettings(txt_documents=layout)
    return list(Reader(settings, slice_bytes).parts(Bundle(0, paths)))


def joined(parts: list[Part]) -> bytes:
    return b"".join(piece.data for part in parts for piece in part.slices)


@pytest.mark.parametrize("extension", ["", ".gz", ".zst"])
def test_compressed_files_read_alike(write, extension):
    compress = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[extension]
    two_frames = compress("가나\n".encode()) + compress("다라\n".encode())
    path = write("a.txt" + extension, two_frames)
    whole = Reader(ReadSettings())
    (part,) = whole.parts(Bundle(3, (path,)))
    assert part.name == "00003-00000"
    assert joined([part]).decode() == "가나\n다라\n"
    assert whole.position() == len(two_frames)


def test_large_zst_reads_whole(write):
    text = ("가나다라 마바사\n" * 200_000).encode()
    path = write("a.txt.zst", zstd.compress(text))
    assert joined(parts_of(path)) == text


def test_skippable_frames_of_a_zst_are_skipped(write):
    skipped = struct.pack("<II", 0x184D2A50, 5) + b"hello"
    frames = map(zstd.compress, ("가나\n".encode(), "다라\n".encode()))
    path = write("a.txt.zst", skipped + skipped.join(frames) + skipped)
    assert joined(parts_of(path)).decode() == "가나\n다라\n"


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_memory_does_not_grow_with_what_a_small_file_inflates_to(write, compression):
    compress = {"gz": gzip.compress, "zst": zstd.compress}[compression]
    text = ("가나다라 마바사\n" * 4_000_000).encode()
    path = write(f"a.txt.{compression}", compress(text))
    tracemalloc.start()
    reader = Reader(ReadSettings(txt_documents="line"), slice_bytes=1 << 20)
    read = sum(len(piece.data) for piece in reader.slices(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == len(text) > 80 << 20
    assert peak < 16 << 20


CHECKSUM = {zstd.CompressionParameter.checksum_flag: 1}


@pytest.mark.parametrize(
    ("extension", "compress"),
    [
        (".gz", gzip.compress),
        (".zst", functools.partial(zstd.compress, options=CHECKSUM)),
    ],
)
def test_damaged_compressed_file_is_an_error(write, extension, compress):
    rng = random.Random(0)
    text = "\n".join(str(rng.random()) for _ in range(20_000))
    whole = compress(text.encode())
    for cut in (len(whole) // 2, len(whole) - 1):
        path = write("a.txt" + extension, whole[:cut])
        with pytest.raises(
            UserError, match="a.txt.*cannot be read past byte.*truncated"
        ):
            parts_of(path)
    for start in range(20, len(whole) - 20, len(whole) // 8):
        path = write("a.txt" + extension, whole[:start] + b"?" * 9 + whole[start + 9 :])
        with pytest.raises(UserError, match="a.txt"):
            parts_of(path)
    with pytest.raises(UserError, match="cannot be read past byte 0"):
        parts_of(write("b.txt" + extension, "plain text\n"))


LINES = st.lists(st.text(st.sampled_from("가a \t\r"), max_size=6), max_size=30)


@settings(deadline=None, max_examples=200)
@given(LINES, st.booleans(), st.integers(1, 40), st.sampled_from(["line", "blank"]))
def test_slices_are_whole_records_and_lose_no_byte(
    tmp_path_factory, lines, ends, slice_bytes, layout
):
    data = ("\n".join(lines) + "\n" * ends).encode()
    path = tmp_path_factory.mktemp("slices") / "a.txt"
    path.write_bytes(data)
    parts = parts_of(str(path), layout=layout, slice_bytes=slice_bytes)
    pieces = [piece for part in parts for piece in part.slices]
    assert joined(parts) == data
    for piece in pieces:
        before = data[: piece.first_byte]
        assert data[piece.first_byte :].startswith(piece.data)
        assert piece.first_line == 1 + before.count(b"\n")
        assert piece.layout == (layout == "blank", False)
    for piece in pieces[:-1]:
        assert piece.data.endswith(b"\n")
        if layout == "blank":
            assert not piece.data[:-1].rpartition(b"\n")[2].strip()


def test_small_files_share_parts_and_large_ones_are_cut(write):
    paths = [write(f"{i}.txt", f"{i}\n" * 50) for i in range(5)]
    assert [b.paths for b in reader.bundles(paths, 250)] == [
        tuple(paths[:2]),
        tuple(paths[2:4]),
        tuple(paths[4:]),
    ]
    assert len(reader.bundles(paths, 10)) == 5
    parts = parts_of(*paths[:2], slice_bytes=150)
    assert [[len(s.data) for s in part.slices] for part in parts] == [[100, 100]]
    parts = parts_of(*paths[:2], slice_bytes=30)
    assert [part.index for part in parts] == list(range(len(parts)))
    assert joined(parts) == b"0\n" * 50 + b"1\n" * 50


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("가\n나\n", False),
        ("가\n\n나\n", True),
        ("가\n \t\n나", True),
        ("\n\n가\n나\n\n", False),
    ],
)
def test_a_blank_line_inside_tells_the_layout(write, text, blank):
    (part,) = parts_of(write("a.txt", text))
    assert part.slices[0].layout == (blank, True)


def test_byte_order_mark_and_header_are_no_data(write):
    (part,) = parts_of(write("a.tsv", "\ufeffn\tt\r\n1\t가\r\n"))
    (piece,) = part.slices
    assert piece.layout == ("n", "t")
    assert (piece.first_line, piece.first_byte) == (2, 3 + 5)
    assert piece.data.decode() == "1\t가\r\n"


def test_utf16_is_refused(write):
    with pytest.raises(UserError, match="a.txt is UTF-16.*iconv -f UTF-16"):
        parts_of(write("a.txt", "가나".encode("utf-16")))


@pytest.mark.parametrize(("layout", "byte"), [("line", 3), ("blank", 0)])
def test_a_record_without_end_is_refused(write, monkeypatch, layout, byte):
    monkeypatch.setattr(slices, "LONGEST_RECORD", 1 << 20)
    path = write("a.txt", b"ab\n" + b"x" * (3 << 20))
    with pytest.raises(
        UserError, match=f"the record at byte {byte} .*longer than 1 MiB"
    ):
        parts_of(path, layout=layout, slice_bytes=1 << 19)
