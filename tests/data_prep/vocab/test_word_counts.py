"""Words of a corpus, counted in bounded memory."""

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import manifest
from data_prep.vocab import vocabulary, word_counts
from data_prep.vocab.word_counts import NONE, SHARD, Sample, WordCounter

SPLIT = vocabulary.word_splitter(vocabulary.TokenizerOptions())
DOCUMENTS = [[f"문서 {i} 입니다", f"둘째 줄 {i}"] for i in range(1000)]


def counted(max_words: int, *shards: dict[str, int]) -> tuple[WordCounter, Counter]:
    counter = WordCounter(SPLIT, max_words)
    for shard in shards:
        counter.add(Counter(shard))
    return counter, counter.finish()


def test_a_shard_is_counted_between_spaces(write):
    path = write("corpus.txt", "가 나 가!\n나  다\n\n라\n")
    folder, name = os.path.split(path)
    entry = manifest.file_entry(folder, name)
    words, used = word_counts.count_shard(Sample(), folder, entry)
    assert words == {"가": 1, "나": 2, "가!": 1, "다": 1, "라": 1}
    assert used == {"documents": 2, "lines": 3, "characters": 11}


def test_words_end_at_punctuation():
    counter, words = counted(100, {"가!": 2, "나": 1}, {"가,나": 3})
    assert words == {"가": 5, "!": 2, "나": 4, ",": 3}
    assert counter.alphabet.counts == words
    assert counter.dropped_words == 0


@given(st.lists(st.lists(st.text("가나!a ", max_size=8), max_size=5), max_size=4))
def test_counts_are_those_of_the_tokenizer_s_words(shards):
    counter = WordCounter(SPLIT, 10_000)
    for lines in shards:
        counter.add(Counter(w for line in lines for w in line.split(" ") if w))
    expected = Counter(w for lines in shards for line in lines for w in SPLIT(line))
    assert counter.finish() == expected


def test_the_rarer_half_is_dropped_beyond_the_cap():
    shard = {"가": 9, "나": 5, "다": 1, "라": 1, "마바": 1}
    counter, words = counted(4, shard)
    assert words == {"가": 9, "나": 5}
    assert (counter.dropped_words, counter.dropped_occurrences) == (3, 3)
    assert counter.alphabet.counts == Counter("다라마바") + Counter({"가": 9, "나": 5})


def test_equal_counts_are_dropped_by_the_word():
    shard = {"나": 1, "라": 1, "다": 1, "가": 1, "마": 1}
    assert counted(4, shard)[1] == {"가": 1, "나": 1}
    assert counted(4, dict(reversed(shard.items())))[1] == {"가": 1, "나": 1}


def test_all_documents_are_taken_by_default():
    assert list(word_counts.draw(DOCUMENTS, Sample())) == DOCUMENTS


@pytest.mark.parametrize("stratify_by", [SHARD, NONE])
def test_a_sample_depends_on_text_and_seed_alone(stratify_by):
    def drawn(documents: list[list[str]], seed: int) -> set[str]:
        sample = Sample(0.1, stratify_by, seed)
        return {"\n".join(document) for document in word_counts.draw(documents, sample)}

    assert drawn(DOCUMENTS, 0) == drawn(DOCUMENTS[::-1], 0)
    assert drawn(DOCUMENTS, 0) != drawn(DOCUMENTS, 1)
    assert 60 <= len(drawn(DOCUMENTS, 0)) <= 140


def test_every_shard_gives_the_same_share():
    for begin in range(0, 1000, 100):
        shard = DOCUMENTS[begin : begin + 100]
        assert len(list(word_counts.draw(shard, Sample(0.1, SHARD)))) == 10
