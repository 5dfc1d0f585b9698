"""Makes the demo's corpus: synthetic Korean comment threads.

Sentences come from the small grammar in grammar.toml. A topic predicts the
aspects people mention and an aspect predicts its predicates, so a tiny model learns
within minutes which word belongs where. Some noise of real comments is added, so that
every cleaning rule has work to do.

One sentence in fifty is reserved by a checksum of its text, for every seed: `generate`
never yields a reserved sentence, and `held_sentences` yields nothing else.
"""

import dataclasses
import datetime
import functools
import itertools
import json
import os
import random
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import logging

from common import cli, files, toml_files
from common.cli import flag

DEFAULT_NUM_THREADS = 14_100

_MAX_REPLIES = 8
_MORE_RATE = 0.1
_CLOSERS = (".", ".", ".", "", "", "", "", "!", "~")
_DUPLICATE_RATE = 0.025
_NEAR_DUPLICATE_RATE = 0.015
_DECOMPOSED_RATE = 0.006
_SPAM_EVERY = 2_000  # threads
_SPAM = "특가 할인 바로가기 " * 950
_RESERVED_ONE_IN = 50
_MAX_DRAWS_PER_HELD = 20_000


def _with_words_split(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_words_split(part) for name, part in value.items()}
    return value.split() if isinstance(value, str) else value


GRAMMAR = _with_words_split(toml_files.beside(__file__, "grammar.toml"))
_DOMAINS, _PARTICLES = GRAMMAR["domains"], GRAMMAR["particles"]
_TOPICS = [(domain, t) for domain, words in _DOMAINS.items() for t in words["topic"]]
_ALL_TEMPLATES = GRAMMAR["templates"] + GRAMMAR["second_templates"]
# The forms of a predicate: at the end of a sentence, and before another clause.
_ENDINGS = {"pred": list(GRAMMAR["styles"]), "though": GRAMMAR["connective"]}


@dataclasses.dataclass(frozen=True)
class HeldSentence:
    """A clean sentence that `generate` never yields, with one word as the target."""

    text: str  # Words joined by single spaces, without punctuation.
    word_index: int  # Of the target, in `text.split()`.
    fillers: frozenset[str]  # Every form the grammar allows in the target's place.
    wrong_word: str  # Of the target's syntactic kind, but plainly out of place.


@dataclasses.dataclass(frozen=True)
class _Voice:
    """The choices that hold for a whole comment."""

    domain: str
    topic: str
    style: str
    positive: bool
    aspects: tuple[str, ...]  # All of the domain's, in order of mention.


def _with_particle(noun: str, slot: str) -> str:
    """Appends the slot's particle that suits the last syllable."""
    return noun + _PARTICLES[slot][(ord(noun[-1]) - ord("가")) % 28 == 0]


@functools.cache
def _forms(domain: str, slot: str, aspect: str = "") -> tuple[str, ...]:
    """The forms a domain allows in a slot; if given, predicates of `aspect` only."""
    words = _DOMAINS[domain]
    if slot in _PARTICLES:
        nouns = words["topic" if slot == "topic" else "aspect"]
        return tuple(_with_particle(noun, slot) for noun in nouns)
    if slot in _ENDINGS:
        aspects = [aspect] if aspect else words["aspect"]
        moods = (GRAMMAR["aspects"][name] for name in aspects)
        stems = (stem for mood in moods for stem in mood["blame"] + mood["praise"])
        forms = (stem + end for stem in stems for end in _ENDINGS[slot])
        return tuple(dict.fromkeys(forms))
    return tuple(words.get(slot) or GRAMMAR["common"][slot])


def word_forms() -> tuple[str, ...]:
    """All distinct clean word forms of the corpus, sorted; noise is not included."""
    slots = dict.fromkeys(" ".join(_ALL_TEMPLATES).split())
    words = {w for d in _DOMAINS for slot in slots for w in _forms(d, slot)}
    remarks = itertools.chain(*GRAMMAR["remarks"].values())
    for remark, domain in itertools.product(remarks, _DOMAINS):
        for style in GRAMMAR["styles"]:
            words.update((_spoken(remark, domain) + style).split())
    return tuple(sorted(words.union(*GRAMMAR["agreement"].values())))


def _spoken(remark: str, domain: str) -> str:
    return remark.format(wish=_DOMAINS[domain]["wish"][0])


def _derives(domain: str, slots: Sequence[str], words: Sequence[str]) -> bool:
    """Whether the slots of a template, filled from one domain, can spell the words."""
    aspects = [""]
    for slot, word in zip(slots, words, strict=True):
        if word not in _forms(domain, slot, aspects[-1]):
            return False
        if slot.startswith("aspect"):
            aspects.append(word[:-1])
    return len(set(aspects)) == len(aspects)


def _fillers(words: Sequence[str], index: int) -> frozenset[str]:
    """All forms that keep the words grammatical in place of the one at `index`."""
    templates = [t.split() for t in _ALL_TEMPLATES if len(t.split()) == len(words)]
    return frozenset(
        form
        for slots, domain in itertools.product(templates, _DOMAINS)
        for form in _forms(domain, slots[index])
        if _derives(domain, slots, [*words[:index], form, *words[index + 1 :]])
    )


def _new_voice(rng: random.Random, domain: str, topic: str) -> _Voice:
    styles = GRAMMAR["styles"]
    (style,) = rng.choices(list(styles), list(styles.values()))
    aspects = list(_DOMAINS[domain]["aspect"])
    rng.shuffle(aspects)
    return _Voice(domain, topic, style, rng.random() < 0.5, tuple(aspects))


def _draw(rng: random.Random, voice: _Voice, template: str) -> str:
    """Fills a template at random; a `though` clause takes the opposite mood."""
    aspects, aspect, words = iter(voice.aspects), "", []
    for slot in template.split():
        if slot == "topic":
            words.append(_with_particle(voice.topic, slot))
        elif slot in _PARTICLES:
            aspect = next(aspects)
            words.append(_with_particle(aspect, slot))
        elif slot in _ENDINGS:
            mood = "praise" if voice.positive ^ (slot == "though") else "blame"
            (ending,) = [voice.style] if slot == "pred" else _ENDINGS[slot]
            words.append(rng.choice(GRAMMAR["aspects"][aspect][mood]) + ending)
        else:
            words.append(rng.choice(_forms(voice.domain, slot)))
    return " ".join(words)


def is_reserved(sentence: str) -> bool:
    """Whether a sentence may only be held out, never trained on."""
    return zlib.crc32(sentence.encode()) % _RESERVED_ONE_IN == 0


def _draw_free(rng: random.Random, voice: _Voice, template: str) -> str:
    """Draws until no ending of the sentence is itself a reserved sentence."""
    while True:
        words = _draw(rng, voice, template).split()
        starts = range(len(words) - 3)  # No sentence has fewer than four words.
        if not any(is_reserved(" ".join(words[start:])) for start in starts):
            return " ".join(words)


def _second_sentence(rng: random.Random, voice: _Voice) -> str:
    """A word on another aspect: "also" keeps the mood, "but" takes the opposite."""
    template = rng.choice(GRAMMAR["second_templates"])
    mood = voice.positive ^ template.startswith("but")
    voice = dataclasses.replace(voice, positive=mood, aspects=voice.aspects[2:])
    return _draw_free(rng, voice, template)


def _remark(rng: random.Random, voice: _Voice) -> str:
    mood = "praise" if voice.positive else "blame"
    remarks = GRAMMAR["remarks"][rng.choice((mood, mood, "neutral"))]
    return _spoken(rng.choice(remarks), voice.domain) + voice.style


def _clean_comment(rng: random.Random, voice: _Voice, is_reply: bool) -> str:
    """A sentence and at times a few more, all in the voice's style."""
    sentences = [_draw_free(rng, voice, rng.choice(GRAMMAR["templates"]))]
    if rng.random() < _MORE_RATE:
        sentences.append(_second_sentence(rng, voice))
    if rng.random() < _MORE_RATE:
        sentences.append(_remark(rng, voice))
    if is_reply and rng.random() < _MORE_RATE:
        sentences = GRAMMAR["agreement"][voice.style] + sentences
    return " ".join(sentence + rng.choice(_CLOSERS) for sentence in sentences)


def _add_noise(rng: random.Random, text: str) -> str:
    """Adds each kind of noise at its own rate, around, inside or instead of a text."""
    for noise in GRAMMAR["stray"].values():
        if rng.random() < noise["rate"]:
            stray = rng.choice(noise["texts"]).format(n=rng.randint(1000, 9999))
            text = f"{stray} {text}" if rng.random() < 0.2 else f"{text} {stray}"
    for noise in GRAMMAR["hidden"].values():
        if rng.random() < noise["rate"]:
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(noise["texts"]) + text[at:]
    for noise in GRAMMAR["whole"].values():
        if rng.random() < noise["rate"]:
            text = rng.choice(noise["texts"])
    decompose = rng.random() < _DECOMPOSED_RATE
    return unicodedata.normalize("NFD", text) if decompose else text


def _near_duplicate(rng: random.Random, text: str, topic: str) -> str:
    """Changes the topic's particle or, failing that, the final punctuation."""
    old = _with_particle(topic, "topic")
    if old in text and rng.random() < 0.5:
        return text.replace(old, topic + "도", 1)
    return text[:-1] if text.endswith((".", "!", "~")) else text + "."


def _thread(rng: random.Random) -> list[str]:
    """A comment and its replies, all on one topic; some repeat an earlier one."""
    domain, topic = rng.choice(_TOPICS)
    texts: list[str] = []
    for reply in range(1 + rng.randint(0, _MAX_REPLIES)):
        if texts and rng.random() < _DUPLICATE_RATE:
            text = rng.choice(texts)
        elif texts and rng.random() < _NEAR_DUPLICATE_RATE:
            text = _near_duplicate(rng, rng.choice(texts), topic)
        else:
            voice = _new_voice(rng, domain, topic)
            text = _add_noise(rng, _clean_comment(rng, voice, reply > 0))
        texts.append(text)
    return texts


def generate(seed: int = 0, num_threads: int = DEFAULT_NUM_THREADS) -> Iterator[dict]:
    """Yields a seed's comments, thread by thread; more threads only add to them."""
    rng = random.Random(seed)
    ids = itertools.count()
    for thread in range(num_threads):
        start = datetime.date(2026, 1, 1) + datetime.timedelta(rng.randrange(360))
        texts = _thread(rng)
        if thread % _SPAM_EVERY == _SPAM_EVERY // 2:
            texts.append(f"{texts[0]} {_SPAM}")
        for age, text in enumerate(texts):
            yield {
                "id": next(ids),
                "thread_id": f"t{thread:06d}",
                "date": (start + datetime.timedelta(age // 3)).isoformat(),
                "text": text,
            }


def _wrong_words(voice: _Voice, slot: str) -> list[str]:
    """Words for a slot that are plainly out of place in the voice's domain."""
    if slot == "pred":
        return [stem + voice.style for stem in _DOMAINS[voice.domain]["wrong"]]
    own = _forms(voice.domain, slot)
    return [word for word in GRAMMAR["common"]["wrong"] if word not in own]


def held_sentences(
    seed: int, count: int, predicate: Callable[[HeldSentence], bool] | None = None
) -> list[HeldSentence]:
    """Draws distinct reserved sentences; targets are predicates and aspects by turns.

    Skips those that `predicate` rejects.

    Raises:
      ValueError: too few were found.
    """
    rng = random.Random(f"held {seed}")
    by_text: dict[str, HeldSentence] = {}
    for _ in range(_MAX_DRAWS_PER_HELD * count + 1):
        if len(by_text) == count:
            return list(by_text.values())
        voice = _new_voice(rng, *rng.choice(_TOPICS))
        template = rng.choice(GRAMMAR["templates"])
        text = _draw(rng, voice, template)
        if is_reserved(text) and text not in by_text:
            target = ("pred", "aspect")[len(by_text) % 2]
            places = enumerate(template.split())
            index = rng.choice([i for i, slot in places if slot == target])
            wrong_word = rng.choice(_wrong_words(voice, target))
            held = HeldSentence(text, index, _fillers(text.split(), index), wrong_word)
            if predicate is None or predicate(held):
                by_text[text] = held
    raise ValueError(f"Only {len(by_text)} of {count} held sentences were found.")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Corpus."""

    output: str = flag("build/demo/raw.jsonl", "JSONL file to write.", writes="file")
    overwrite: bool = flag(False, "Replace --output if it exists.")
    seed: int = flag(0, "Another seed makes another corpus.")
    num_threads: int = flag(DEFAULT_NUM_THREADS, "Comment threads.", at_least=1)


def make_corpus(settings: Settings) -> None:
    path, threads = settings.output, settings.num_threads
    records = generate(settings.seed, threads)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    files.makedirs(os.path.dirname(path) or ".")
    files.write_text(path, "".join(lines))
    counts = (len(lines), threads, os.path.getsize(path))
    logging.info("%s: %d records, %d threads, %d bytes", path, *counts)


if __name__ == "__main__":
    cli.run(make_corpus)
