"""The text of a shard, and what is cut out of it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.stages import shards

LINES = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1)
DOCUMENTS = st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=8)


@given(DOCUMENTS)
def test_text_round_trips(documents):
    text = shards.to_text(documents)
    assert shards.from_text(text) == documents
    assert shards.documents(text) == ["\n".join(document) for document in documents]
    assert shards.lines(text) == [line for document in documents for line in document]


@given(DOCUMENTS)
def test_shards_are_read_as_written(tmp_path_factory, documents):
    path = tmp_path_factory.mktemp("shards") / "corpus.txt"
    path.write_text(shards.to_text(documents), encoding="utf-8", newline="")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(shards.read_shard(str(path), sha256)) == documents
    path.write_text(path.read_text() + "가", encoding="utf-8")
    with pytest.raises(UserError, match="corpus.txt has changed since clean_corpus"):
        list(shards.read_shard(str(path), sha256))


@given(DOCUMENTS, st.data())
def test_lines_are_cut_out_with_documents_left_empty(documents, data):
    count = sum(map(len, documents))
    dropped = data.draw(
        st.sets(st.integers(0, max(0, count - 1))) if count else st.just(set())
    )
    numbered = iter(range(count))
    expected = [
        [line for line in d if next(numbered) not in dropped] for d in documents
    ]
    found = shards.without_lines(shards.to_text(documents), dropped)
    assert shards.from_text(found) == list(filter(None, expected))


@given(DOCUMENTS, st.data())
def test_documents_are_cut_out(documents, data):
    indices = range(len(documents))
    dropped = {i for i in indices if data.draw(st.booleans())}
    found = shards.without_documents(shards.to_text(documents), dropped)
    assert shards.from_text(found) == [
        documents[i] for i in indices if i not in dropped
    ]
