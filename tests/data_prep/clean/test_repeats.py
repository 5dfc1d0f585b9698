"""First occurrences, found by sorting partitions of keys on disk."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.clean import repeats as dedup

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
    folder = tmp_path_factory.mktemp("keys")
    paths = [str(folder / str(part)) for part in range(len(parts))]
    for path, values in zip(paths, parts, strict=True):
        dedup.write_keys(path, np.array([spread(v) for v in values], np.uint64))
    found, frequent = set(), []
    for partition in range(num_partitions):
        rows = dedup.read_partition(paths, partition, num_partitions)
        repeats = dedup.repeats_of(*rows)
        found |= set(map(tuple, repeats.rows.tolist()))
        frequent += repeats.most_frequent
        for by in ("part", "first_part"):
            path = str(folder / f"{partition}.{by}")
            dedup.write_repeats(path, len(parts), repeats.rows, by)
    assert found == expected_repeats(parts)
    for by, column in (("part", 0), ("first_part", 2)):
        written = [str(folder / f"{p}.{by}") for p in range(num_partitions)]
        for part in range(len(parts)):
            rows = dedup.read_repeats(written, len(parts), part).tolist()
            assert set(map(tuple, rows)) == {r for r in found if r[column] == part}
    counts = collections.Counter(value for values in parts for value in values)
    assert sorted(count for count, _, _ in frequent) == sorted(
        count for count in counts.values() if count > 1
    )
    for count, part, item in frequent:
        assert counts[parts[part][item]] == count


def test_keys_tell_texts_apart_and_equal_ones_not():
    keys = dedup.text_keys(["가", "나", "가", "가\n나", "\ud800"])
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
    assert keys.dtype == np.uint64


def test_partitions_grow_with_the_keys_and_what_one_holds_does_not():
    assert dedup.num_partitions(0) == dedup.num_partitions(500_000) == 1
    for count in (10**7, 10**8, 5 * 10**8):
        assert count / dedup.num_partitions(count) <= 500_000


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_bands_collide_most_steeply_near_the_threshold(threshold):
    bands, rows = dedup.bands(threshold)
    assert bands * rows <= 128

    def collides(similarity: float) -> float:
        return 1 - (1 - similarity**rows) ** bands

    assert collides(threshold + 0.1) > 0.8
    assert collides(threshold - 0.2) < 0.4


def test_similar_documents_share_a_key_and_others_do_not():
    base = " ".join(f"문장{i} 가나다라{i * 7919 % 997}" for i in range(60))
    texts = [base, base.replace("문장3 ", "문장 3"), base[::-1], "짧", "짧", ""]
    keys, items = dedup.near_keys(texts, 0.8)
    found = collections.defaultdict(set)
    for key, item in zip(keys.tolist(), items.tolist(), strict=True):
        found[item].add(key)
    assert found[0] & found[1]
    assert not found[0] & found[2]
    assert found[3] == found[4]
    assert not found[3] & found[5]
    again, _ = dedup.near_keys(texts, 0.8)
    assert keys.tolist() == again.tolist()
