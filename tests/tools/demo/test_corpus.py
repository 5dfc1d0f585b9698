"""Tests of the demo corpus: determinism, correct Korean, and nothing held out leaks."""

import json
import re
import unicodedata

import pytest
from helpers import processes

from tools.demo import corpus
from tools.demo.corpus import GRAMMAR

NOISE = {
    "laughter": r"[ㅋㅎㅠㅜ]{4,}",
    "zwj_emoji": "👩\u200d💻",
    "skin_tone": "[\U0001f3fb-\U0001f3ff]",
    "flag": "[\U0001f1e6-\U0001f1ff]{2}",
    "keycap": "[0-9#]\ufe0f\u20e3",
    "url": r"https?://\S+|www\.\S+",
    "email": r"\S+@example",
    "mention": r"(^| )@\w+",
    "phone": r"010-\d{4}-\d{4}",
    "hanja": r"[一-鿿]",
    "masked": r"OOO|○○○",
    "bangs": r"!{6,}",
    "dots": r"\.{6,}",
    "html": r"&amp;|<br>",
    "price": r"\d,\d{3}원",
    "date": r"\d월 \d+일",
    "half_width_jamo": r"[\uffa1-\uffdc]",
    "full_width": r"[\uff01-\uff5e]",
    "conjoining_jamo": r"[\u1100-\u1112][\u1161-\u1175]",
    "zero_width_space": "\u200b",
    "byte_order_mark": "\ufeff",
    "control": r"[\x00-\x1f\x7f-\x9f]",
    "placeholder": r"^삭제된 댓글입니다\.$",
    "empty": r"^$",
    "very_short": r"^(굿|ㅋ)$",
    "over_long": r"(?s)^.{10001,}$",
}
# The last letters of the Unicode names of open syllables, such as HANGUL SYLLABLE GWA.
VOWELS = "AEIOU"


@pytest.fixture(scope="module")
def records():
    return list(corpus.generate(seed=0, num_threads=2_400))


@pytest.fixture(scope="module")
def held():
    return corpus.held_sentences(seed=0, count=60)


def _is_open(word):
    return unicodedata.name(word[-1])[-1] in VOWELS


def _substitute(item, word):
    words = item.text.split()
    words[item.word_index] = word
    return " ".join(words)


def _language():
    """All sentences of the grammar as one pattern, written without the generator."""

    def either(words):
        return "(?:" + "|".join(words) + ")"

    def clause(aspect, endings):
        stems = either(sum(GRAMMAR["aspects"][aspect].values(), []))
        return aspect + "[이가] {adv}" + stems + either(endings)

    common = {slot: either(words) for slot, words in GRAMMAR["common"].items()}
    domains = []
    for words in GRAMMAR["domains"].values():
        own = {slot: either(words[slot]) for slot in ("topic", "verb", "place")}
        lead = "(?:{opener} |{when} (?:(?:{who}|{place}) )?{verb} |{place} {verb} )?"
        aspects = words["aspect"]
        tails = [
            f"(?:(?!{last}){either(clause(a, ['지만']) for a in aspects)} )?".replace(
                " {adv}", " "
            )
            + clause(last, GRAMMAR["styles"]).replace("{adv}", "{adv} ")
            for last in aspects
        ]
        pattern = lead + "{topic}[은는] " + either(tails)
        domains.append(pattern.format(**(common | own)))
    return re.compile(either(domains))


def test_same_seed_gives_the_same_bytes(tmp_path):
    paths = [tmp_path / "new" / f"{name}.jsonl" for name in "ab"]
    for path in paths:
        corpus.make_corpus(corpus.Settings(str(path), seed=3, num_threads=40))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(list(tmp_path.rglob("*"))) == 3


def test_hash_seed_does_not_matter():
    code = (
        "import zlib; from tools.demo import corpus as d;"
        "texts = [r['text'] for r in d.generate(5, 30)];"
        "held = [(h.text, h.wrong_word) for h in d.held_sentences(5, 4)];"
        "print(zlib.crc32(repr((texts, held)).encode()))"
    )
    outputs = [
        processes.check("-c", code, env=processes.environment(PYTHONHASHSEED=seed)).out
        for seed in "12"
    ]
    assert outputs[0] == outputs[1]


def test_other_seed_gives_other_texts():
    first, second = ([r["text"] for r in corpus.generate(s, 40)] for s in (0, 1))
    assert not {t for t in first if len(t) > 40} & {t for t in second if len(t) > 40}


def test_more_threads_only_add_records(records):
    few = list(corpus.generate(seed=0, num_threads=50))
    assert few == records[: len(few)]


def test_records_are_numbered_and_threads_stay_on_one_topic(records):
    assert [r["id"] for r in records] == list(range(len(records)))
    assert all(re.fullmatch(r"2026-\d\d-\d\d", r["date"]) for r in records)
    topics = [topic for topic, _ in _topics()]
    for thread in (f"t{i:06d}" for i in range(50)):
        texts = [r["text"] for r in records[:500] if r["thread_id"] == thread]
        named = {t for t in topics for x in texts if re.search(rf"\b{t}[은는] ", x)}
        assert len(texts) <= 10 and len(named) <= 1


def _topics():
    return [(t, d) for d, words in GRAMMAR["domains"].items() for t in words["topic"]]


def test_size_of_a_small_sample(records):
    size = sum(len(r["text"].encode()) for r in records if len(r["text"]) < 10_000)
    assert 4.5 < len(records) / 2_400 < 5.5
    assert 70 < size / len(records) < 100


def test_most_comments_are_clean_and_all_known_words_occur(records):
    known = set(corpus.word_forms())
    words = [re.sub(r"[.!~]", "", r["text"]).split() for r in records]
    clean = sum(bool(ws) and known.issuperset(ws) for ws in words)
    assert 0.7 < clean / len(records) < 0.9
    assert 500 <= len(known) <= 900
    assert len(known.difference(*words)) < 9


def test_particles_agree_with_the_final_consonant():
    wrong = []
    nouns = {t for t, _ in _topics()} | set(GRAMMAR["aspects"])
    for form in corpus.word_forms():
        if form[:-1] in nouns and form[-1] != "도":
            wrong += [form] * ((form[-1] in "는가") != _is_open(form[:-1]))
    assert not wrong
    assert {"국물이", "연기가", "영화는", "책은"} <= set(corpus.word_forms())


def test_predicate_stems_are_past_stems():
    moods = [mood for moods in GRAMMAR["aspects"].values() for mood in moods.values()]
    stems = sum(moods, [])
    assert all(unicodedata.normalize("NFD", stem)[-1] == "\u11bb" for stem in stems)


@pytest.mark.parametrize("kind", NOISE)
def test_every_noise_kind_occurs(records, kind):
    pattern = re.compile(NOISE[kind])
    found = sum(bool(pattern.search(r["text"])) for r in records)
    assert 0 < found < 0.1 * len(records)


def test_some_comments_repeat_an_earlier_one(records):
    long_texts = [r["text"] for r in records if len(r["text"]) > 15]
    repeats = 1 - len(set(long_texts)) / len(long_texts)
    assert 0.01 < repeats < 0.04
    assert any(t + "." in set(long_texts) for t in long_texts)


def test_held_sentences_are_distinct_and_of_both_kinds(held):
    ten = corpus.held_sentences(seed=1, count=10)
    assert len({item.text for item in ten}) == 10
    assert all(corpus.is_reserved(item.text) for item in held + ten)
    last = [item.word_index == len(item.text.split()) - 1 for item in ten]
    assert last == [True, False] * 5


def test_held_sentences_never_appear_in_the_corpus(records):
    reserved = {item.text for item in corpus.held_sentences(seed=2, count=300)}
    for record in records:
        words = re.sub(r"[.!~]", "", record["text"][:1_000]).split()
        parts = range(len(words) - 3)
        spans = (" ".join(words[i : i + n]) for i in parts for n in range(4, 10))
        assert reserved.isdisjoint(spans), record


def test_held_sentences_obey_the_callers_predicate(monkeypatch):
    def is_short(item):
        return len(item.text.split()) == 4

    assert all(map(is_short, corpus.held_sentences(0, 5, is_short)))
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="Only 0"):
        patch.setattr(corpus, "_MAX_DRAWS_PER_HELD", 1_000)
        corpus.held_sentences(0, 1, lambda item: False)


def test_target_fits_and_wrong_word_does_not(held):
    known = set(corpus.word_forms())
    for item in held:
        target = item.text.split()[item.word_index]
        assert target in item.fillers and item.fillers <= known
        assert item.wrong_word in known - item.fillers
        if item.word_index == len(item.text.split()) - 1:
            styles = [w for w in GRAMMAR["styles"] if target.endswith(w)]
            assert any(item.wrong_word.endswith(style) for style in styles)
        else:
            assert item.wrong_word[-1] in "이가"


def test_fillers_are_exactly_the_forms_that_parse(held):
    language = _language()
    for item in held[:12]:
        parsing = {
            form
            for form in corpus.word_forms()
            if language.fullmatch(_substitute(item, form))
        }
        assert parsing == item.fillers


def _run(*arguments):
    return processes.run("-m", "tools.demo.corpus", *arguments)


def test_script_writes_the_generated_records(tmp_path):
    path = tmp_path / "raw.jsonl"
    done = _run(f"--output={path}", "--seed=4", "--num_threads=5")
    lines = path.read_text("utf-8").split("\n")[:-1]
    assert [json.loads(line) for line in lines] == list(corpus.generate(4, 5))
    assert f"{len(lines)} records, 5 threads" in done.err


def test_script_refuses_stray_arguments():
    done = _run("stray")
    assert done.code != 0
    assert "unexpected argument 'stray'" in done.output
