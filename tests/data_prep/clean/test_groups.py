"""Scattered records joined to documents."""

import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from common import files, output_folder
from common.output_folder import Output
from data_prep.clean import groups, repeats
from data_prep.clean.repeats import KeyFiles
from data_prep.clean.settings import CleanSettings
from data_prep.clean.work import Work
from data_prep.stages import shards

# Per part: (group, sort value) of each record.
RECORD = st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 3))
PARTS = st.lists(st.lists(RECORD, max_size=8), min_size=1, max_size=4)


@settings(deadline=None, max_examples=50)
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
    settings = CleanSettings(sort_field="date" if is_sorted else "")
    output = Output(str(folder / "clean"))
    work = Work(settings, output_folder.begin(output, "clean_corpus", {}))
    files.makedirs(work.path())
    names = tuple(map(str, range(len(parts))))
    keys = KeyFiles(work, "group", names, tuple(map(len, parts)))
    for name, records in zip(names, parts, strict=True):
        documents = [[f"{name}.{item}"] for item in range(len(records))]
        files.write_text(work.path("clean", name + ".txt"), shards.to_text(documents))
        sort_keys = [groups.sort_key(value) for _, value in records]
        files.write_json(work.path("group", name + ".sort"), sort_keys)
        hashes = [groups.group_key(g, name, i) for i, (g, _) in enumerate(records)]
        repeats.write_keys(keys.path(name), np.array(hashes, np.uint64))
    for block in range(len(keys.blocks)):
        keys.collect(block)
    keys.find_repeats(0)
    for step in (groups.move, groups.join):
        for block in range(len(keys.blocks)):
            step(keys, block)
    texts = (work.text("group", name) for name in names)
    return [document for text in texts for document in shards.from_text(text)]


def test_sort_values_of_any_kind_have_an_order():
    values = ["2020.01.02", "nan", "b", 10, "9", None, 2.5, "2020.01.01"]
    for first in values:
        ordered = sorted([first, *values], key=groups.sort_key)
        assert list(dict.fromkeys(ordered)) == [
            *(None, 2.5, "9", 10),
            *("2020.01.01", "2020.01.02", "b", "nan"),
        ]
