"""WordPiece tokens learned from counts."""

import json
import random
from collections import Counter

import pytest
from helpers import processes
from tokenizers import BertWordPieceTokenizer

from common.errors import UserError
from data_prep.vocab import training, vocabulary
from data_prep.vocab.alphabet import Alphabet
from data_prep.vocab.training import Layout

SPLIT = vocabulary.word_splitter(vocabulary.TokenizerOptions())


def characters(words: Counter[str]) -> list[str]:
    """Single-character tokens, without the required ones."""
    inside = {c for word in words for c in word[1:]}
    return [*sorted(set("".join(words))), *("##" + c for c in sorted(inside))]


def learn(words: dict[str, int], size: int, **layout: object) -> list[str]:
    layout = Layout(**{"special_tokens": (), "characters": characters(words)} | layout)
    return training.learn(words, layout, size, 2)


def random_lines() -> list[str]:
    """Many characters and pairs of equal frequency: ties for the trainer to break."""
    rng = random.Random(0)
    syllables = [chr(0xAC00 + 7 * i) for i in range(300)]
    words = ["".join(rng.choices(syllables, k=3)) for _ in range(600)]
    return [" ".join(rng.choices(words, k=6)) for _ in range(300)]


def random_words() -> Counter[str]:
    return Counter(word for line in random_lines() for word in line.split())


def test_layout():
    layout = {"special_tokens": ("[PHONE]",), "num_unused": 2}
    tokens = learn({"가나": 3, "가": 1}, 20, **layout)
    assert tokens[:6] == [*vocabulary.SPECIAL_TOKENS, "[PHONE]"]
    assert tokens[6:] == ["가", "나", "##나", "가나", "[unused0]", "[unused1]"]


def test_unused_slots_and_special_tokens_count_in_the_size():
    tokens = learn(random_words(), 1000, special_tokens=("[PHONE]",), num_unused=200)
    assert len(tokens) == 1000
    assert tokens[-1] == "[unused199]"


def test_counts_give_what_the_library_learns_from_the_text():
    words = random_words()
    first = [*vocabulary.SPECIAL_TOKENS, *characters(words)]
    library = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    library.train_from_iterator(
        random_lines(), 900, 2, special_tokens=first, show_progress=False
    )
    ids = library.get_vocab()
    assert learn(words, 900) == sorted(ids, key=ids.__getitem__)


def test_large_counts_are_exact():
    # Each word is fed to the trainer in several texts; "가나" wins by one occurrence.
    words = {"가나": 300_001, "다라": 300_000, "마바": 299_999}
    learned = [t for t in learn(words, 100) if len(t) == 2 and t[0] != "#"]
    assert learned == ["가나", "다라", "마바"]
    texts = "".join(training._texts(words)).split()
    assert Counter(texts) == words


def test_training_again_gives_the_same_tokens():
    words = random_words()
    again = dict(reversed(words.items()))
    assert learn(words, 900) == learn(again, 900)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_and_any_threads_give_the_same_tokens(threads):
    code = (
        "import json, tests.data_prep.vocab.test_training as t;"
        "print(json.dumps(t.learn(t.random_words(), 900)))"
    )
    env = processes.environment(RAYON_NUM_THREADS=threads)
    assert json.loads(processes.check("-c", code, env=env).out) == learn(
        random_words(), 900
    )


def test_later_morphemes_become_continuations():
    words = Counter({"학교": 9, "##에서": 8, "##에": 3, "##는": 2, "에": 1})
    single = [*"가학교에서는", "##학", "##교", "##에", "##서", "##는"]
    tokens = learn(words, 100, characters=single)
    assert set(tokens[len(single) + 5 :]) == {"학교", "##에서"}
    assert "\x01" not in "".join(tokens)


def test_no_room_is_refused():
    with pytest.raises(UserError, match="--vocab_size=12 leaves no room for a word"):
        learn({"가나다라": 5}, 12)
    assert len(learn({"가나다라": 5}, 13)) == 13


def test_unused_slots_can_take_the_room():
    with pytest.raises(UserError, match="unused slots 10"):
        learn({"가나다라": 5}, 20, num_unused=10)


def test_a_frequency_that_leaves_nothing_is_refused():
    with pytest.raises(UserError, match="--min_frequency=2 leaves nothing to learn"):
        learn({"가나": 1, "다라": 1}, 100)


def test_the_alphabet_s_tokens_suffice_for_every_word():
    words = random_words()
    alphabet = Alphabet()
    alphabet.add(words)
    kept = alphabet.choose(6000, SPLIT)
    tokens = learn(words, 1500, characters=alphabet.tokens(kept, SPLIT))
    tokenizer = vocabulary.wordpiece({token: i for i, token in enumerate(tokens)})
    for line in [*random_lines()[:50], "ㅋㅋㅋ Hello😂❤\ufe0f 12!?"]:
        found = tokenizer.encode(line, add_special_tokens=False).tokens
        assert "".join(t.removeprefix("##") for t in found) == line.replace(" ", "")
