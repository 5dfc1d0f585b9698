"""Words cut into morphemes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.stages.parallel import Workers
from data_prep.vocab import morphemes, training, vocabulary

pytest.importorskip("mecab")
pytest.importorskip("kiwipiepy")


@pytest.mark.parametrize("name", morphemes.ANALYZERS)
def test_particles_and_endings_become_continuations(name):
    morphs = morphemes.analyzer(name)
    assert morphemes.cut("학교에서는", morphs) == ["학교", "##에서", "##는"]
    assert morphemes.cut("갔다", morphs) == ["갔", "##다"]


@pytest.mark.parametrize("name", morphemes.ANALYZERS)
@settings(deadline=None, max_examples=100)
@given(st.text("가나다은는이갔했어요ㅋㅠa1漢😂힣", min_size=1, max_size=10))
def test_morphemes_join_to_the_word(name, word):
    first, *later = morphemes.cut(word, morphemes.analyzer(name))
    assert all(morpheme.startswith("##") for morpheme in later)
    assert first + "".join(morpheme[2:] for morpheme in later) == word


def test_a_morpheme_within_a_syllable_does_not_cut_it():
    # 갔 is 가 + 았 to Kiwi: both begin at the syllable.
    assert morphemes.analyzer(morphemes.KIWI)("갔다") == ["갔", "다"]


def test_words_without_hangul_and_unfaithful_cuts_stay_whole():
    assert morphemes.cut("abc123", list) == ["abc123"]
    assert morphemes.cut("ㅋㅋ", list) == ["ㅋㅋ"]
    assert morphemes.cut("갔다", lambda word: ["가", "았", "다"]) == ["갔다"]


def test_counts_do_not_depend_on_the_processes():
    words = Counter({"학교에서": 5, "학교는": 2, "에서": 1, "##": 1, "hi": 4})
    one = morphemes.count(words, morphemes.MECAB, Workers(1))
    assert one == {"학교": 7, "##에서": 5, "##는": 2, "에서": 1, "##": 1, "hi": 4}
    with Workers(2) as workers:
        assert morphemes.count(words, morphemes.MECAB, workers) == one


def test_no_learned_token_crosses_a_morpheme():
    words = Counter({"학교에서": 50, "학교는": 50, "집에서": 50, "집은": 50})
    counts = morphemes.count(words, morphemes.MECAB, Workers(1))
    letters = sorted(set("".join(words)))
    single = [*letters, *("##" + c for c in letters)]
    layout = training.Layout((), single)
    tokens = training.learn(counts, layout, 100, 2)
    assert set(tokens[5 + len(single) :]) == {"학교", "##에서"}
    tokenizer = vocabulary.wordpiece({token: i for i, token in enumerate(tokens)})
    found = tokenizer.encode("학교에서 집은", add_special_tokens=False).tokens
    assert found == ["학교", "##에서", "집", "##은"]


def test_a_missing_analyser_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mecab", None)
    morphemes.analyzer.cache_clear()
    with pytest.raises(UserError, match=r"needs mecab: pip install .*\[morphemes\]"):
        morphemes.analyzer(morphemes.MECAB)
    morphemes.analyzer.cache_clear()
