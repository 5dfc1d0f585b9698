"""Every record once per epoch; any step is reached without reading the ones before."""

import collections
import itertools
import pathlib

import hypothesis
import pytest
import tensorflow as tf
from helpers import processes
from hypothesis import strategies as st

from electra_tf.pretrain.record_order import DataOrder

few = hypothesis.settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
counts = st.lists(st.integers(0, 12), min_size=1, max_size=6).filter(sum)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("records")


def write(folder: pathlib.Path, counts: list[int], compression: str = "") -> list[str]:
    """Files of numbered records."""
    numbers, paths = itertools.count(), []
    for index, count in enumerate(counts):
        path = str(folder / f"{index}{compression}")
        with tf.io.TFRecordWriter(path, compression) as writer:
            for number in itertools.islice(numbers, count):
                writer.write(str(number).encode())
        paths.append(path)
    return paths


def read(order: DataOrder, paths, count: int, first: int = 0, compression="") -> list:
    """`count` record numbers, from the first-th on."""
    records = order.records(paths, order.start(first), compression)
    return list(map(int, records.unbatch().take(count).as_numpy_iterator()))


@few
@hypothesis.given(counts, st.integers(1, 20), st.integers(0, 3))
def test_every_record_once_per_epoch(folder, counts, window_size, seed):
    order = DataOrder(counts, seed, window_size)
    total = sum(counts)
    seen = read(order, write(folder, counts), 3 * total)
    for epoch in range(3):
        records = seen[epoch * total : (epoch + 1) * total]
        assert collections.Counter(records) == collections.Counter(range(total))


@few
@hypothesis.given(counts, st.integers(1, 20), st.integers(0, 100))
def test_any_record_can_be_begun_with(folder, counts, window_size, first):
    order = DataOrder(counts, 7, window_size)
    paths = write(folder, counts)
    assert read(order, paths, 15, first) == read(order, paths, first + 15)[first:]


@few
@hypothesis.given(counts, st.integers(1, 20), st.integers(0, 100))
def test_the_places_of_records_are_computed_as_they_are_read(
    folder, counts, window_size, first
):
    order = DataOrder(counts, 7, window_size)
    begins = [0, *itertools.accumulate(counts)]
    places = order.places(first, 30)
    assert all(index < counts[file] for file, index in places)
    numbers = [begins[file] + index for file, index in places]
    assert numbers == read(order, write(folder, counts), 30, first)


def test_epochs_and_seeds_have_orders_of_their_own(folder):
    paths = write(folder, [20, 20, 20])
    seen = read(DataOrder([20] * 3, 0, 25), paths, 120)
    assert seen[:60] != seen[60:] and seen[:60] != sorted(seen[:60])
    assert read(DataOrder([20] * 3, 1, 25), paths, 60) != seen[:60]
    # Records of different files come together where a window holds both.
    files = [number // 20 for number in seen[:25]]
    assert len(set(files)) == 2 and files != sorted(files)


def test_orders_of_an_epoch_are_uniform(folder):
    paths = write(folder, [2, 1])
    seen = read(DataOrder([2, 1], 0, 10), paths, 3 * 600)
    orders = collections.Counter(zip(*[iter(seen)] * 3, strict=True))
    assert len(orders) == 6 and min(orders.values()) > 60


def test_files_before_the_step_are_not_read(folder, tmp_path):
    counts = [10, 10, 10, 10]
    order = DataOrder(counts, 0, 10)
    paths = write(tmp_path, counts)
    whole = read(order, paths, 40)
    start = order.start(25)
    assert (start.epoch, start.window, start.offset) == (0, 2, 5)
    assert (start.file, start.skipped) == (2, 0)
    for index in order.shuffled_files(range(4), 0).numpy()[: start.file]:
        pathlib.Path(paths[index]).unlink()
    assert read(order, paths, 15, 25) == whole[25:]


def test_a_window_inside_a_large_file_is_found(folder):
    order = DataOrder([3, 100], 0, 10)
    start = order.start(95)
    assert start.window == 9 and start.offset == 5
    assert start.skipped == (90 if start.file == 0 else 87)


def test_gzip_records_are_read(folder):
    order = DataOrder([5, 5], 0, 4)
    plain = read(order, write(folder, [5, 5]), 20)
    packed = read(order, write(folder, [5, 5], "GZIP"), 20, compression="GZIP")
    assert packed == plain


def test_windows_hold_about_the_same_memory_at_any_length():
    sizes = {n: DataOrder.of_tokens([1], 0, n).window_size for n in (128, 512)}
    assert sizes == {128: 262_144, 512: 65_536}


_MEMORY = """
import os, sys
import tensorflow as tf
from electra_tf.pretrain.record_order import DataOrder

def resident() -> int:
    with open("/proc/self/statm") as handle:
        return int(handle.read().split()[1]) * os.sysconf("SC_PAGESIZE")

path, count, window = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
small = DataOrder([count], 0, 100)
for _ in small.records([path], small.start(0), "").take(200):
    pass  # what TensorFlow itself takes is not counted
order, before, most = DataOrder([count], 0, window), resident(), 0
records = order.records([path], order.start(0), "").rebatch(100)
for _ in records.take(2 * window // 100):
    most = max(most, resident() - before)
print(most)
"""


def test_two_windows_are_in_memory_and_no_more(tmp_path):
    window, size, path = 10_000, 10_000, str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(3 * window):
            writer.write(bytes(size))
    given = "-c", _MEMORY, path, 3 * window, window
    most = int(processes.check(*given, warm=True).out.split()[-1])
    assert 1.5 * window * size < most < 3.5 * window * size
