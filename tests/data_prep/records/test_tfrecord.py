"""TFRecord files: TensorFlow reads ours, we read TensorFlow's, damage is found."""

import gzip
import random

import pytest
import tensorflow as tf

from common import manifest
from data_prep.records import tfrecord

RECORDS = [b"", b"a", b"abc" * 1000, random.Random(0).randbytes(70_000)]


def write(path, compression: str = "", records=RECORDS) -> dict:
    with tfrecord.open_writer(str(path), compression) as writer:
        writer.write(records[:2])
        writer.write(iter(records[2:]))
    return writer.entry(path.name)


@pytest.mark.parametrize("compression", tfrecord.COMPRESSIONS)
def test_tensorflow_reads_what_is_written(tmp_path, compression):
    path = tmp_path / "x"
    write(path, compression)
    dataset = tf.data.TFRecordDataset(str(path), compression_type=compression)
    assert list(dataset.as_numpy_iterator()) == RECORDS
    codes = {"": None, "GZIP": tf.io.TFRecordOptions(compression_type="GZIP")}
    iterator = tf.compat.v1.io.tf_record_iterator(str(path), codes[compression])
    assert list(iterator) == RECORDS


def test_bytes_are_those_of_tensorflow_s_writer(tmp_path):
    write(tmp_path / "ours")
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in RECORDS:
            writer.write(record)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_compressed_bytes_hold_neither_name_nor_time(tmp_path, monkeypatch):
    write(tmp_path / "one", "GZIP")
    monkeypatch.setattr("time.time", lambda: 1e9)
    write(tmp_path / "two", "GZIP")
    data = (tmp_path / "one").read_bytes()
    assert data == (tmp_path / "two").read_bytes()
    assert data[3:8] == bytes(5)  # flags (a name?) and time
    assert gzip.decompress(data)


@pytest.mark.parametrize("compression", tfrecord.COMPRESSIONS)
def test_entry_is_that_of_the_file(tmp_path, compression):
    entry = write(tmp_path / "x", compression)
    assert entry == manifest.file_entry(str(tmp_path), "x")


@pytest.mark.parametrize("compression", tfrecord.COMPRESSIONS)
def test_failed_run_leaves_no_file(tmp_path, compression):
    with pytest.raises(ValueError):
        with tfrecord.open_writer(str(tmp_path / "x"), compression) as writer:
            writer.write([b"a"])
            raise ValueError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", tfrecord.COMPRESSIONS)
def test_reads_back_with_offsets(tmp_path, compression):
    write(tmp_path / "x", compression)
    found = list(tfrecord.read(str(tmp_path / "x"), compression))
    assert [record.data for record in found] == RECORDS
    assert [record.offset for record in found] == [0, 16, 33, 3049]
    assert not any(record.problem for record in found)


SHORT = [b"abc", b"defg", b"hi"]  # Records begin at 0, 19 and 39; 57 bytes.
LENGTH = "the CRC of its length does not match"
DATA = "the CRC of its data does not match"


@pytest.mark.parametrize(
    ("byte", "offset", "problem"),
    [(0, 0, LENGTH), (9, 0, LENGTH), (31, 19, DATA), (35, 19, DATA), (56, 39, DATA)],
)
def test_flipped_byte_is_found(tmp_path, byte, offset, problem):
    path = tmp_path / "x"
    write(path, records=SHORT)
    data = bytearray(path.read_bytes())
    data[byte] ^= 0x10
    path.write_bytes(data)
    found = list(tfrecord.read(str(path)))
    assert [(r.offset, r.problem) for r in found if r.problem] == [(offset, problem)]
    # Only a damaged length hides what follows.
    assert len(found) == (1 if problem == LENGTH else 3)


@pytest.mark.parametrize(("size", "offset"), [(3, 0), (12, 0), (20, 19), (56, 39)])
def test_early_end_is_found(tmp_path, size, offset):
    path = tmp_path / "x"
    write(path, records=SHORT)
    path.write_bytes(path.read_bytes()[:size])
    *_, last = tfrecord.read(str(path))
    assert (last.offset, last.problem) == (offset, "the file ends inside it")


@pytest.mark.parametrize("damage", ["cut", "flipped", "no gzip"])
def test_damaged_compression_is_found(tmp_path, damage):
    path = tmp_path / "x"
    write(path, "GZIP")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-30_000:]
    elif damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    else:
        data[:2] = b"xx"
    path.write_bytes(data)
    *_, last = tfrecord.read(str(path), "GZIP")
    assert last.problem
