"""The order of examples, resumption, padding, and data that do not fit the config."""

import collections
import itertools
import json
import os
import pathlib
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from common import manifest
from common.errors import UserError
from data_prep.records import example, packing, tfrecord
from data_prep.vocab import vocabulary
from electra_tf.pretrain.input_pipeline import Records

PER_EPOCH = 48 // 8


def records_of(data_dir: pathlib.Path, **changes) -> Records:
    return Records(str(data_dir), tiny.config(**changes))


def read_batches(
    data_dir, count: int, start_step: int = 0, context=None, **changes
) -> list[list[int]]:
    """Numbers of the examples in the first batches."""
    dataset = records_of(data_dir, **changes).train_batches(start_step, context)
    batches = itertools.islice(dataset.as_numpy_iterator(), count)
    return [tiny.example_numbers(batch["input_ids"]) for batch in batches]


def test_batches_hold_the_records_as_they_were_written(data_dir):
    dataset = records_of(data_dir).train_batches(0)
    spec = tf.TensorSpec([8, tiny.LENGTH], tf.int32)
    assert dict(dataset.element_spec) == dict.fromkeys(
        ("input_ids", "input_mask", "segment_ids"), spec
    )
    batch = next(dataset.as_numpy_iterator())
    for i, number in enumerate(tiny.example_numbers(batch["input_ids"])):
        ids = tiny.example_ids(number)
        padding = [0] * (tiny.LENGTH - len(ids))
        assert batch["input_ids"][i].tolist() == ids + padding
        assert batch["input_mask"][i].tolist() == [1] * len(ids) + padding
        assert not batch["segment_ids"][i].any()


def test_seed_decides_the_order(data_dir):
    first = read_batches(data_dir, 10)
    assert read_batches(data_dir, 10) == first
    assert read_batches(data_dir, 10, seed=1) != first
    flat = sum(first, [])
    assert flat != sorted(flat)


@pytest.mark.parametrize("start", [1, 4, PER_EPOCH, 2 * PER_EPOCH + 3])
def test_start_step_skips_batches(data_dir, start):
    whole = read_batches(data_dir, start + 4)
    assert read_batches(data_dir, 4, start_step=start) == whole[start:]


def test_every_example_once_per_epoch(data_dir):
    batches = read_batches(data_dir, 3 * PER_EPOCH)
    epochs = [
        sum(batches[i : i + PER_EPOCH], []) for i in (0, PER_EPOCH, 2 * PER_EPOCH)
    ]
    for epoch in epochs:
        assert collections.Counter(epoch) == collections.Counter(range(48))
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize(
    ("hosts", "replicas"), [(1, 1), (1, 8), (2, 2), (2, 8), (4, 4)]
)
def test_hosts_and_replicas_share_the_same_global_batches(data_dir, hosts, replicas):
    per_host = replicas // hosts
    parts = []
    for host in range(hosts):
        context = tf.distribute.InputContext(hosts, host, replicas)
        parts.append(read_batches(data_dir, 8 * per_host, 3, context))
        assert {len(part) for part in parts[-1]} == {8 // replicas}
    for step, whole in enumerate(read_batches(data_dir, 8, 3)):
        mine = slice(step * per_host, (step + 1) * per_host)
        assert sum((sum(part[mine], []) for part in parts), []) == whole


def test_held_out_records_are_not_trained_on(data_dir):
    assert max(sum(read_batches(data_dir, 2 * PER_EPOCH), [])) < 100


def eval_batches(data_dir, **changes) -> list[dict[str, np.ndarray]]:
    dataset = records_of(data_dir, **changes).eval_batches()
    size = tiny.config(**changes).eval_batch_size
    spec = tf.TensorSpec([size, tiny.LENGTH], tf.int32)
    assert set(dataset.element_spec.values()) == {spec}
    return list(dataset.as_numpy_iterator())


def test_last_batch_of_evaluation_is_filled_with_empty_rows(data_dir):
    first, last = eval_batches(data_dir, eval_batch_size=4)
    assert tiny.example_numbers(first["input_ids"]) == [100, 101, 102, 103]
    assert tiny.example_numbers(last["input_ids"][:2]) == [104, 105]
    for values in last.values():
        assert values.shape == (4, tiny.LENGTH)
        assert not values[2:].any()


def test_full_last_batch_is_left_alone(data_dir):
    batches = eval_batches(data_dir, eval_batch_size=3)
    assert [len(batch["input_ids"]) for batch in batches] == [3, 3]
    assert all(batch["input_mask"].any(-1).all() for batch in batches)


def test_evaluation_reads_as_many_batches_as_it_is_told(data_dir):
    assert len(eval_batches(data_dir, eval_batch_size=2, num_eval_steps=2)) == 2


def test_hosts_and_replicas_share_the_evaluation(data_dir):
    records, seen = records_of(data_dir, eval_batch_size=4), []
    for host in range(2):
        batches = records.eval_batches(tf.distribute.InputContext(2, host, 4))
        rows = [batch["input_ids"] for batch in batches.as_numpy_iterator()]
        assert [len(row) for row in rows] == [1] * 4  # 2 batches, 2 replicas here
        seen += [tiny.example_numbers(row)[0] for row in rows if row.any()]
    assert sorted(seen) == [100, 101, 102, 103, 104, 105]


@pytest.mark.parametrize("split", ["train", "eval"])
def test_destroying_an_iterator_does_not_wait_for_the_tuner(data_dir, split):
    records = records_of(data_dir, eval_batch_size=1)
    if split == "train":
        iterator = iter(records.train_batches(start_step=0))
    else:
        iterator = iter(records.eval_batches().repeat())
    begin = time.monotonic()
    while time.monotonic() < begin + 1.5:
        next(iterator)
    # tf.data's tuner would wake 1.27 s and 2.55 s after its start.
    end = time.monotonic()
    del iterator
    assert time.monotonic() - end < 0.5


@pytest.fixture
def packed(copied) -> pathlib.Path:
    """Says that its records were packed; the first file's records are, two by two."""
    folder = copied / "tfrecords"
    values = manifest.read(str(folder), "build_tfrecords")
    name = "train/pretrain_data.tfrecord-0-of-3"
    shared = packing.share_rows(tiny.examples(list(range(10))), 9)
    with tfrecord.open_writer(str(folder / name), "") as writer:
        writer.write(example.encode(shared, tiny.LENGTH))
    files = [entry for entry in values["files"] if "train/" not in entry["name"]]
    values |= {
        "pack_documents": True,
        "files": [*files, writer.entry(name, examples=5)],
    }
    manifest.write(str(folder), "build_tfrecords", values)
    return copied


def test_documents_of_packed_records_are_numbered(packed):
    records = records_of(packed, pack_documents=True, train_batch_size=5)
    mask = next(records.train_batches(0).as_numpy_iterator())["input_mask"]
    assert mask.tolist() == [[1] * 4 + [2] * 4 + [0] * 8] * 5
    (held_out, _) = records.eval_batches()
    assert held_out["input_mask"].numpy().tolist() == [[1] * 4 + [0] * 12] * 4


def test_packing_of_the_records_and_the_config_must_agree(packed, data_dir):
    with pytest.raises(UserError, match='--pack_documents=true.*documents": true}'):
        records_of(packed)
    with pytest.raises(UserError, match='--pack_documents=false.*documents": false}'):
        records_of(data_dir, pack_documents=True)


def test_continuations_are_those_of_the_vocabulary(copied):
    records = records_of(copied)
    tokens = [*vocabulary.SPECIAL_TOKENS, "가", "##나", "#", "다##"]
    vocabulary.save(str(copied / "tfrecords"), tokens)
    table = records.is_continuation()
    assert table.dtype == bool
    assert np.flatnonzero(table).tolist() == [6]


def test_damaged_file_is_named(copied):
    path = copied / "tfrecords" / "train" / "pretrain_data.tfrecord-1-of-3"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    records = records_of(copied)  # as long as before
    with pytest.raises(tf.errors.DataLossError):
        read_batches(copied, PER_EPOCH)
    for step in (0, 3):
        damage = records.first_damage(step)
        assert damage.startswith(f"{path}, after at least 0 good records")


def test_records_that_can_be_read_are_not_blamed(data_dir):
    assert records_of(data_dir).first_damage(0) is None


def test_damage_is_looked_for_once_in_each_file(data_dir, monkeypatch):
    read, real = [], tf.data.TFRecordDataset

    def recorded(path, compression):
        read.append(os.path.basename(path))
        return real(path, compression)

    records = records_of(data_dir)
    monkeypatch.setattr(tf.data, "TFRecordDataset", recorded)
    assert records.first_damage(4) is None
    assert sorted(read) == [f"pretrain_data.tfrecord-{i}-of-3" for i in range(3)]


def test_records_without_counts_are_refused(copied):
    path = copied / "tfrecords" / "manifest.json"
    written = json.loads(path.read_text())
    for entry in written["files"]:
        entry.pop("examples", None)
    path.write_text(json.dumps(written))
    with pytest.raises(UserError, match="no training examples by its manifest"):
        records_of(copied)


def test_vocab_size_may_be_left_to_the_data(data_dir):
    assert records_of(data_dir, vocab_size=0).manifest["vocab_size"] == tiny.VOCAB_SIZE


def test_another_row_length_is_refused(data_dir):
    with pytest.raises(UserError, match="max_seq_length=16.*max_seq_length=32"):
        records_of(data_dir, max_seq_length=32)


def test_another_vocabulary_size_is_refused(data_dir):
    with pytest.raises(UserError, match="vocabulary of 40 tokens.*vocab_size=50"):
        records_of(data_dir, vocab_size=50)


def test_another_vocabulary_size_in_the_overrides_is_refused(data_dir):
    with pytest.raises(UserError, match="vocab_size"):
        records_of(data_dir, overrides={"vocab_size": 30})


@pytest.fixture
def copied(data_dir, tmp_path) -> pathlib.Path:
    """The data folder, to be spoilt."""
    shutil.copytree(data_dir, tmp_path / "copied")
    return tmp_path / "copied"


def write_vocab(data_dir: pathlib.Path, tokens: list[str]) -> None:
    """What train_vocab leaves."""
    folder = str(data_dir / "vocab")
    os.mkdir(folder)
    entries = vocabulary.save(folder, tokens)
    sha256 = vocabulary.fingerprint(os.path.join(folder, vocabulary.VOCAB_FILE))
    values = {"vocab_size": len(tokens), "vocab_sha256": sha256, "files": entries}
    manifest.write(folder, "train_vocab", values)


def test_vocabulary_trained_since_is_refused(copied):
    write_vocab(copied, tiny.tokens(30))
    with pytest.raises(UserError, match="another vocabulary.* move that folder away"):
        records_of(copied)


def test_vocabulary_of_the_records_may_stand_beside_them(copied):
    write_vocab(copied, tiny.tokens())
    assert records_of(copied).manifest["vocab_size"] == tiny.VOCAB_SIZE


def test_edited_vocabulary_is_refused(copied):
    path = copied / "tfrecords" / "vocab.txt"
    text = path.read_text()
    path.write_text(text.replace("가", "힣"))  # as many bytes as before
    with pytest.raises(UserError, match="vocab.txt has changed"):
        records_of(copied)


def test_unfinished_records_are_refused(copied):
    (copied / "tfrecords" / "manifest.json").unlink()
    with pytest.raises(UserError, match="build_tfrecords did not finish"):
        records_of(copied)


def test_cut_records_are_refused(copied):
    path = copied / "tfrecords" / "train" / "pretrain_data.tfrecord-1-of-3"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="tfrecord-1-of-3 has .* bytes, its manifest"):
        records_of(copied)


def test_missing_vocabulary_is_refused(copied):
    (copied / "tfrecords" / "vocab.txt").unlink()
    with pytest.raises(UserError, match="vocab.txt is missing"):
        records_of(copied)


def test_compressed_records_are_read(tmp_path):
    shards = {"train": [list(range(10)), list(range(10, 48))], "eval": [[3, 1]]}
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    for folder, compression in ((plain, ""), (packed, "GZIP")):
        folder.mkdir()
        tiny.write_data(folder, shards, compression)
    name = "tfrecords/train/pretrain_data.tfrecord-1-of-2"
    assert (packed / name).stat().st_size < (plain / name).stat().st_size / 2
    assert read_batches(packed, 10) == read_batches(plain, 10)
    (batch,) = records_of(packed).eval_batches().as_numpy_iterator()
    assert tiny.example_numbers(batch["input_ids"])[:2] == [3, 1]
