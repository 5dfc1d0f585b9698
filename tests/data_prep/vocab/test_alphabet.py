"""The single characters of a vocabulary."""

from data_prep.vocab import alphabet, vocabulary
from data_prep.vocab.alphabet import Alphabet

SPLIT = vocabulary.word_splitter(vocabulary.TokenizerOptions())


def seen(words: dict[str, int]) -> Alphabet:
    found = Alphabet()
    found.add(words)
    return found


def test_required_characters():
    assert len(alphabet.JAMO) == 51
    assert alphabet.JAMO[0] == "ㄱ" and alphabet.JAMO[-1] == "ㅣ"
    assert len(alphabet.ASCII) == 94
    assert len(set(alphabet.REQUIRED)) == len(alphabet.REQUIRED)
    assert all(SPLIT(f"가{c}") == [f"가{c}"] for c in alphabet.EMOJI)


def test_required_characters_are_kept_whatever_the_corpus():
    found = seen({"가나": 1})
    kept = found.choose(1, SPLIT)
    assert kept == list(alphabet.REQUIRED)
    tokens = found.tokens(kept, SPLIT)
    assert {"ㅋ", "##ㅋ", "A", "##z", "!", "😂", "##😂"} <= set(tokens)
    assert not {"##!", "가", "##나"} & set(tokens)
    assert len(set(tokens)) == len(tokens)


def test_the_most_frequent_characters_are_kept():
    found = seen({"나다": 2, "라": 1, "다나": 1, "漢": 1})
    room = len(alphabet.REQUIRED)
    assert found.choose(room + 3, SPLIT)[room:] == ["나", "다", "漢"]
    assert found.choose(room + 9, SPLIT)[room:] == ["나", "다", "漢", "라"]


def test_only_characters_that_follow_another_become_continuations():
    found = seen({"나가": 1, "漢": 3})
    tokens = found.tokens(found.choose(9999, SPLIT), SPLIT)
    assert {"나", "가", "##가", "漢"} <= set(tokens)
    assert not {"##나", "##漢"} & set(tokens)


def test_dropped_characters_are_counted():
    found = seen({"나다": 2, "라나": 1})
    kept = found.choose(len(alphabet.REQUIRED) + 1, SPLIT)
    assert found.dropped(kept) == {"다": 2, "라": 1}
    assert list(found.dropped(kept)) == ["다", "라"]


def test_a_lower_casing_tokenizer_needs_no_capitals():
    split = vocabulary.word_splitter(vocabulary.TokenizerOptions(lowercase=True))
    kept = seen({"가": 1}).choose(9999, split)
    assert "a" in kept and "A" not in kept


def test_hangul_is_found():
    assert seen({"a가": 1}).has_hangul()
    assert seen({"ㅋ": 1}).has_hangul()
    assert seen({"\u1112\u1161": 1}).has_hangul()
    assert not seen({"hello": 3, "漢字": 1}).has_hangul()
