"""Features -> batches: every row once, padded, and the same for any devices."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import small
from hypothesis import given
from hypothesis import strategies as st

from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import PAD_ID
from electra_tf.finetune import batches as batches_lib
from electra_tf.finetune.batches import Batches, bucket_lengths
from electra_tf.finetune.kinds.tagging import NO_LABEL


def batches(lengths: list[int], size: int = 4, group: int = 1) -> Batches:
    """Rows whose first token is 100 + their number, which is their target too."""
    rows = [[100 + i // group, *[7] * (n - 1)] for i, n in enumerate(lengths)]
    targets = np.arange(len(rows) // group, dtype=np.int32)
    return Batches(small.features(rows, targets, group), [4, 8, 16], size)


def real(batch: dict[str, np.ndarray]) -> list[int]:
    return batch["row"][batch["row_weight"] > 0].tolist()


@given(
    st.lists(st.integers(1, 16), min_size=1, max_size=30),
    st.integers(1, 8),
    st.integers(0, 2**31 - 1),
)
def test_every_row_is_once_in_an_epoch(lengths, size, seed):
    made = batches(lengths, size)
    for read in (made.in_order(), made.shuffled(seed, 3)):
        found = list(read)
        assert len(found) == made.num_batches == -(-len(lengths) // size)
        rows = [real(batch) for batch in found]
        assert sorted(sum(rows, [])) == list(range(len(lengths)))
        # Only one batch is filled up.
        assert sorted(map(len, rows))[1:] == [size] * (len(rows) - 1)
        for batch in found:
            numbers = batch["input_ids"][:, 0] - 100
            assert batch["row"].tolist() == numbers.tolist()
            assert batch["targets"].tolist() == numbers.tolist()
            held = batch["input_mask"].sum(1)
            assert held.tolist() == [lengths[n] for n in numbers]
            assert (batch["input_ids"][batch["input_mask"] == 0] == PAD_ID).all()
            fitting = [n for n in (4, 8, 16) if n >= held.max()]
            assert batch["input_ids"].shape == (size, fitting[0])


def order(made: Batches, seed: int, epoch: int) -> list[list[int]]:
    return [batch["row"].tolist() for batch in made.shuffled(seed, epoch)]


def test_the_order_is_that_of_seed_and_epoch():
    made = batches([3] * 40)
    assert order(made, 1, 0) == order(made, 1, 0)
    assert order(made, 1, 0) != order(made, 1, 1)
    assert order(made, 1, 0) != order(made, 2, 0)
    # Not the short ones first, as they are sorted to share batches.
    mixed = batches([3] * 20 + [16] * 20)
    lengths = [batch["input_ids"].shape[1] for batch in mixed.shuffled(0, 0)]
    assert sorted(lengths) == [4] * 5 + [16] * 5 and lengths != sorted(lengths)


def test_a_batch_is_filled_with_rows_of_no_weight():
    [batch] = batches([3, 2], size=4).in_order()
    assert batch["row_weight"].tolist() == [1, 1, 0, 0]
    assert batch["row_weight"].dtype == np.float32
    assert set(batch["row"][2:]) <= {0, 1}


def test_choices_of_a_row_stay_together():
    made = batches([3, 5, 2, 2, 9, 1], size=2, group=2)
    assert made.num_rows == 3
    by_row = {}
    for batch in made.in_order():
        assert batch["input_ids"].ndim == 3
        for row, mask in zip(batch["row"], batch["input_mask"], strict=True):
            by_row[row] = mask.sum(1).tolist()
    assert by_row == {0: [3, 5], 1: [2, 2], 2: [9, 1]}


def test_targets_of_tokens_are_padded_with_no_label():
    rows = [[5, 6, 7], [8]]
    tags = Ragged.from_rows([[NO_LABEL, 2, NO_LABEL], [1]])
    [batch] = Batches(small.features(rows, tags), [4], 2).in_order()
    expected = [[NO_LABEL, 2, NO_LABEL, NO_LABEL], [1, *[NO_LABEL] * 3]]
    assert batch["targets"].tolist() == expected


def test_rows_without_labels_have_no_targets():
    [batch] = Batches(small.features([[5]], None), [4], 1).in_order()
    assert "targets" not in batch


@pytest.mark.parametrize("lengths", [[16], [4, 16]], ids=str)
@pytest.mark.parametrize("group", [1, 2])
def test_the_signature_is_of_every_batch(lengths, group):
    rows = [[5] * n for n in (2, 3, 16, 4)]
    tags = Ragged.from_rows(rows) if group == 1 else np.zeros(2, np.int32)
    made = Batches(small.features(rows, tags, group), lengths, 2)
    signature = made.signature()
    known = signature["input_ids"].shape[-1]
    assert known == (16 if lengths == [16] else None)
    for batch in made.in_order():
        assert batch.keys() == signature.keys()
        for name, value in batch.items():
            assert signature[name].is_compatible_with(tf.constant(value)), name


def test_lengths_of_batches():
    assert bucket_lengths(20, static=True) == [20]
    found = bucket_lengths(20, static=False)
    assert found == sorted(set(found)) and found[-1] == 20 and len(found) > 1


@pytest.mark.parametrize(("hosts", "replicas"), [(1, 1), (1, 2), (2, 4)])
def test_replicas_together_read_the_same_batches(hosts, replicas):
    made = batches([3, 16, 2, 5, 1, 16, 4, 4, 3, 2], size=4)
    parts = []
    for host in range(hosts):
        context = tf.distribute.InputContext(hosts, host, replicas)
        found = batches_lib.dataset(made, lambda: made.shuffled(0, 0), context)
        parts.append([each["row"].tolist() for each in found.as_numpy_iterator()])
    own = replicas // hosts
    steps = [
        sum((part[own * i + j] for part in parts for j in range(own)), [])
        for i in range(made.num_batches)
    ]
    assert steps == order(made, 0, 0)


def test_an_epoch_does_not_wait_for_tuning_when_it_ends():
    made = batches([3, 2])
    found = batches_lib.dataset(made, made.in_order, tf.distribute.InputContext())
    assert found.options().autotune.enabled is False
