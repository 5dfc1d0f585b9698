"""First occurrences, found by sorting partitions of keys on disk."""

import collections
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import files, output_folder
from common.output_folder import Output
from data_prep.clean import duplicates, repeats
from data_prep.clean.repeats import KeyFiles
from data_prep.clean.settings import CleanSettings
from data_prep.clean.work import Work
from data_prep.stages import shards

PARTS = st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=5)


def spread(value: int) -> int:
    """Few keys, all over the range of keys."""
    return value * 0x9E3779B97F4A7C15 % 2**64


def expected_repeats(parts: list[list[int]]) -> set[tuple[int, int, int, int]]:
    first: dict[int, tuple[int, int]] = {}
    found = set()
    for part, values in enumerate(parts):
        for item, value in enumerate(values):
            if value in first:
                found.add((part, item, *first[value]))
            first.setdefault(value, (part, item))
    return found


def written(folder: str, parts: list[list[int]]) -> KeyFiles:
    """The keys of parts, in blocks."""
    work = Work(
        CleanSettings(), output_folder.begin(Output(folder), "clean_corpus", {})
    )
    files.makedirs(work.path())
    names = tuple(map(str, range(len(parts))))
    keys = KeyFiles(work, "exact", names, tuple(map(len, parts)))
    for name, values in zip(names, parts, strict=True):
        hashes = np.array([spread(v) for v in values], np.uint64)
        repeats.write_keys(keys.path(name), hashes)
    for block in range(len(keys.blocks)):
        keys.collect(block)
    return keys


def all_repeats(keys: KeyFiles, by: str) -> dict[int, np.ndarray]:
    blocks = range(len(keys.blocks))
    return {k: v for b in blocks for k, v in keys.read_repeats(by, b).items()}


@settings(deadline=None, max_examples=50)
@given(PARTS, st.integers(1, 60))
def test_repeats_are_those_of_a_dict(tmp_path_factory, parts, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "MOST_ROWS", most)
        check_repeats(str(tmp_path_factory.mktemp("keys") / "clean"), parts)


def check_repeats(folder: str, parts: list[list[int]]) -> None:
    keys = written(folder, parts)
    for partition in range(keys.num_partitions):
        keys.find_repeats(partition)
    found = set()
    for part, rows in all_repeats(keys, "part").items():
        assert set(rows["part"].tolist()) <= {part}
        found |= set(map(tuple, rows.tolist()))
    assert found == expected_repeats(parts)
    first_parts = all_repeats(keys, "first_part")
    assert list(first_parts) == list(range(len(parts)))
    for part, rows in first_parts.items():
        rows = set(map(tuple, rows.tolist()))
        assert rows == {row for row in found if row[2] == part}
    counts = collections.Counter(value for values in parts for value in values)
    frequent = keys.most_frequent()
    assert [count for count, _, _ in frequent] == sorted(
        (count for count in counts.values() if count > 1), reverse=True
    )
    for count, part, item in frequent:
        assert counts[parts[part][item]] == count


@pytest.fixture
def small(monkeypatch):
    """A thousandth of everything, and fewer buckets than partitions."""
    monkeypatch.setattr(repeats, "MOST_ROWS", 4_000)
    monkeypatch.setattr(repeats, "KEY_BUCKETS", 8)


def test_what_is_sorted_at_once_does_not_grow_with_the_keys(
    small, tmp_path, monkeypatch
):
    sorted_at_once = []
    repeats_of = repeats.repeats_of

    def spy(keys, *rows):
        sorted_at_once.append(len(keys))
        return repeats_of(keys, *rows)

    monkeypatch.setattr(repeats, "repeats_of", spy)
    rng = random.Random(0)
    parts = [[rng.randrange(10**6) for _ in range(900)] for _ in range(100)]
    keys = written(str(tmp_path / "clean"), parts)
    for partition in range(keys.num_partitions):
        keys.find_repeats(partition)
    assert sum(sorted_at_once) == 90_000
    assert max(sorted_at_once) < 1.1 * 4_000
    rows = all_repeats(keys, "part").values()
    assert set(map(tuple, np.concatenate(list(rows)).tolist())) == expected_repeats(
        parts
    )


def test_two_billion_keys_stay_within_the_limits():
    """240 GB of comments: 15,000 parts of 140,000 lines."""
    counts = (140_000,) * 15_000
    keys = KeyFiles(None, "exact", tuple(map(str, range(len(counts)))), counts)
    assert sum(counts) / keys.num_partitions <= 4_000_000
    assert max(len(block) * 140_000 for block in keys.blocks) <= 4_000_000
    assert [part for block in keys.blocks for part in block] == list(range(15_000))
    assert keys.num_partitions * len(keys.blocks) < 300_000


def test_files_are_opened_by_block_not_by_part(small, tmp_path, monkeypatch):
    opened = []
    open_binary = files.open_binary
    rng = random.Random(0)
    parts = [[rng.randrange(10**6) for _ in range(400)] for _ in range(200)]
    keys = written(str(tmp_path / "clean"), parts)
    for name, values in zip(keys.parts, parts, strict=True):
        text = shards.to_text([[str(value)] for value in values])
        files.write_text(keys.work.path("clean", name + ".txt"), text)
    monkeypatch.setattr(
        files, "open_binary", lambda path: opened.append(path) or open_binary(path)
    )
    for partition in range(keys.num_partitions):
        keys.find_repeats(partition)
    for block in range(len(keys.blocks)):
        duplicates.drop(keys, "clean", block)
    arrays = [path for path in opened if path.endswith((".block", ".part"))]
    assert keys.num_partitions == 20
    # 200 parts and 20 partitions would be 8,000.
    assert len(arrays) == 2 * 20 * len(keys.blocks) <= 2 * 20 * 70
    left = [v for name in keys.parts for v in keys.work.text("exact", name).split()]
    assert left == [str(v) for v in dict.fromkeys(v for part in parts for v in part)]
