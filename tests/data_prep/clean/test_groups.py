"""Scattered records joined to documents."""

import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.clean import groups, repeats

# Per part: (group, sort value) of each record.
RECORD = st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 3))
PARTS = st.lists(st.lists(RECORD, max_size=8), min_size=1, max_size=4)


@settings(deadline=None)
@given(PARTS, st.booleans())
def test_documents_are_those_of_a_dict(tmp_path_factory, parts, is_sorted):
    folder = tmp_path_factory.mktemp("groups")
    expected = collections.defaultdict(list)
    for part, records in enumerate(parts):
        for item, (group, value) in enumerate(records):
            alone = (part, item) if group is None else None
            order = (value if is_sorted else 0, part, item)
            expected[group, alone].append((order, f"{part}.{item}"))
    assert joined(folder, parts, is_sorted) == [
        [line for _, line in sorted(members)] for members in expected.values()
    ]


def joined(folder, parts, is_sorted) -> list[list[str]]:
    documents, sort_keys, keys = [], [], []
    for part, records in enumerate(parts):
        documents.append([[f"{part}.{item}"] for item in range(len(records))])
        values = [groups.sort_key(v) if is_sorted else () for _, v in records]
        sort_keys.append(values)
        hashes = [groups.group_key(g, str(part), i) for i, (g, _) in enumerate(records)]
        keys.append(str(folder / f"{part}.keys"))
        repeats.write_keys(keys[-1], np.array(hashes, np.uint64))
    rows = repeats.repeats_of(*repeats.read_partition(keys, 0, 1)).rows
    moved = [str(folder / f"moved{part}") for part in range(len(parts))]
    for part, path in enumerate(moved):
        leaving = rows[rows["part"] == part]
        groups.write_moved(
            path, part, len(parts), documents[part], sort_keys[part], leaving
        )
    return [
        document
        for part in range(len(parts))
        for document in groups.regroup(
            part,
            documents[part],
            sort_keys[part],
            leaving=rows[rows["part"] == part],
            arriving=rows[rows["first_part"] == part],
            moved_paths=moved,
        )
    ]


def test_sort_values_of_any_kind_have_an_order():
    values = ["2020.01.02", "b", 10, "9", None, 2.5, "2020.01.01"]
    ordered = sorted(values, key=groups.sort_key)
    assert ordered == [None, 2.5, "9", 10, "2020.01.01", "2020.01.02", "b"]
