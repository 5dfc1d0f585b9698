"""First occurrences, found by sorting partitions of keys on disk."""

import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from common import files
from data_prep.clean import repeats
from data_prep.clean.repeats import KeyFiles
from data_prep.clean.settings import CleanSettings
from data_prep.clean.work import Work
from data_prep.stages import resume
from data_prep.stages.resume import Output

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


@settings(deadline=None)
@given(PARTS, st.integers(1, 9))
def test_repeats_are_those_of_a_dict(tmp_path_factory, parts, num_partitions):
    folder = str(tmp_path_factory.mktemp("keys") / "clean")
    work = Work(CleanSettings(), resume.begin(Output(folder), "clean_corpus", {}))
    files.makedirs(work.path())
    names = tuple(map(str, range(len(parts))))
    keys = KeyFiles(work, "exact", names, num_partitions * 500_000)
    assert keys.num_partitions == num_partitions
    for name, values in zip(names, parts, strict=True):
        hashes = np.array([spread(v) for v in values], np.uint64)
        repeats.write_keys(keys.path(name), hashes)
    for partition in range(num_partitions):
        keys.find_repeats(partition)
    found = set()
    for part in range(len(parts)):
        rows = set(map(tuple, keys.read_repeats("part", part).tolist()))
        assert {row[0] for row in rows} <= {part}
        found |= rows
    assert found == expected_repeats(parts)
    for part in range(len(parts)):
        rows = set(map(tuple, keys.read_repeats("first_part", part).tolist()))
        assert rows == {row for row in found if row[2] == part}
    counts = collections.Counter(value for values in parts for value in values)
    frequent = keys.most_frequent()
    assert [count for count, _, _ in frequent] == sorted(
        (count for count in counts.values() if count > 1), reverse=True
    )
    for count, part, item in frequent:
        assert counts[parts[part][item]] == count


def test_partitions_grow_with_the_keys_and_what_one_holds_does_not():
    assert repeats.num_partitions(0) == repeats.num_partitions(500_000) == 1
    for count in (10**7, 10**8, 5 * 10**8):
        assert count / repeats.num_partitions(count) <= 500_000
