"""Keys of texts, and of documents that are nearly equal."""

import collections
import tracemalloc

import numpy as np
import pytest

from data_prep.clean import duplicates


def test_keys_tell_texts_apart_and_equal_ones_not():
    keys = duplicates.text_keys(["가", "나", "가", "가\n나", "\ud800"])
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
    assert keys.dtype == np.uint64


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_bands_collide_most_steeply_near_the_threshold(threshold):
    bands, rows = duplicates.bands(threshold)
    assert bands * rows <= 128

    def collides(similarity: float) -> float:
        return 1 - (1 - similarity**rows) ** bands

    assert collides(threshold + 0.1) > 0.8
    assert collides(threshold - 0.2) < 0.4


def test_similar_documents_share_a_key_and_others_do_not():
    base = " ".join(f"문장{i} 가나다라{i * 7919 % 997}" for i in range(60))
    texts = [base, base.replace("문장3 ", "문장 3"), base[::-1], "짧", "짧", ""]
    keys, items = duplicates.near_keys(texts, 0.8)
    found = collections.defaultdict(set)
    for key, item in zip(keys.tolist(), items.tolist(), strict=True):
        found[item].add(key)
    assert found[0] & found[1]
    assert not found[0] & found[2]
    assert found[3] == found[4]
    assert not found[3] & found[5]
    again, _ = duplicates.near_keys(texts, 0.8)
    assert keys.tolist() == again.tolist()


def test_a_long_document_takes_little_memory_and_keeps_its_keys(monkeypatch):
    rng = np.random.default_rng(0)
    text = "".join(map(chr, rng.integers(0xAC00, 0xD7A3, 400_000)))
    tracemalloc.start()
    keys, _ = duplicates.near_keys([text], 0.8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    monkeypatch.setattr(duplicates, "_SHINGLES", 1 << 30)
    at_once, _ = duplicates.near_keys([text], 0.8)
    assert keys.tolist() == at_once.tolist()
