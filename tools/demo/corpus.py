"""Makes the demo's corpus: synthetic Korean comment threads.

Sentences come from the small grammar in `tools.demo.grammar`. A topic predicts the
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
from collections.abc import Callable, Iterable, Iterator, Sequence

from absl import logging

from common import cli
from common.cli import flag
from tools.demo import grammar

DEFAULT_NUM_THREADS = 14_100

_RESERVED_ONE_IN = 50
_MAX_DRAWS_PER_HELD = 20_000
_TOPICS = [(d, t) for d, w in grammar.DOMAINS.items() for t in w["topic"].split()]
_ALL_TEMPLATES = grammar.TEMPLATES + grammar.SECOND_TEMPLATES


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


def with_particle(noun: str, pair: str) -> str:
    """Appends the particle of `pair` (such as "은는") that suits the last syllable."""
    return noun + pair[(ord(noun[-1]) - ord("가")) % 28 == 0]


@functools.cache
def _stems(aspect: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The predicate stems that blame an aspect, then those that praise it."""
    praise, blame = grammar.ASPECTS[aspect].split("/")
    return tuple(blame.split()), tuple(praise.split())


@functools.cache
def _forms(domain: str, slot: str, aspect: str = "") -> tuple[str, ...]:
    """The forms a domain allows in a slot; if given, predicates of `aspect` only."""
    words = grammar.DOMAINS[domain]
    if slot in grammar.PARTICLES:
        nouns = words["topic" if slot == "topic" else "aspect"].split()
        return tuple(with_particle(noun, grammar.PARTICLES[slot]) for noun in nouns)
    if slot in grammar.ENDINGS:
        aspects = [aspect] if aspect else words["aspect"].split()
        stems = itertools.chain.from_iterable(sum(_stems(a), ()) for a in aspects)
        forms = (stem + end for stem in stems for end in grammar.ENDINGS[slot])
        return tuple(dict.fromkeys(forms))
    return tuple((words.get(slot) or grammar.COMMON[slot]).split())


def word_forms() -> tuple[str, ...]:
    """All distinct clean word forms of the corpus, sorted; noise is not included."""
    slots = dict.fromkeys(" ".join(_ALL_TEMPLATES).split())
    words = {w for d in grammar.DOMAINS for slot in slots for w in _forms(d, slot)}
    remarks = grammar.PRAISE + grammar.BLAME + grammar.NEUTRAL
    for remark, domain in itertools.product(remarks, grammar.DOMAINS.values()):
        for style in grammar.STYLES:
            words.update((remark.format_map(domain) + style).split())
    return tuple(sorted(words.union(grammar.AGREEMENT.values())))


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
        for slots, domain in itertools.product(templates, grammar.DOMAINS)
        for form in _forms(domain, slots[index])
        if _derives(domain, slots, [*words[:index], form, *words[index + 1 :]])
    )


def _new_voice(rng: random.Random, domain: str, topic: str) -> _Voice:
    style = rng.choices(tuple(grammar.STYLES), tuple(grammar.STYLES.values()))[0]
    aspects = grammar.DOMAINS[domain]["aspect"].split()
    rng.shuffle(aspects)
    return _Voice(domain, topic, style, rng.random() < 0.5, tuple(aspects))


def _draw(rng: random.Random, voice: _Voice, template: str) -> str:
    """Fills a template at random; a `though` clause takes the opposite mood."""
    aspects, aspect, words = iter(voice.aspects), "", []
    for slot in template.split():
        if slot == "topic":
            words.append(with_particle(voice.topic, grammar.PARTICLES[slot]))
        elif slot in grammar.PARTICLES:
            aspect = next(aspects)
            words.append(with_particle(aspect, grammar.PARTICLES[slot]))
        elif slot in grammar.ENDINGS:
            stem = rng.choice(_stems(aspect)[voice.positive ^ (slot == "though")])
            words.append(stem + (voice.style if slot == "pred" else "지만"))
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
    template = rng.choice(grammar.SECOND_TEMPLATES)
    mood = voice.positive ^ template.startswith("but")
    voice = dataclasses.replace(voice, positive=mood, aspects=voice.aspects[2:])
    return _draw_free(rng, voice, template)


def _remark(rng: random.Random, voice: _Voice) -> str:
    mood = grammar.PRAISE if voice.positive else grammar.BLAME
    remark = rng.choice(rng.choice((mood, mood, grammar.NEUTRAL)))
    return remark.format_map(grammar.DOMAINS[voice.domain]) + voice.style


def _clean_comment(rng: random.Random, voice: _Voice, is_reply: bool) -> str:
    """A sentence and at times a few more, all in the voice's style."""
    sentences = [_draw_free(rng, voice, rng.choice(grammar.TEMPLATES))]
    if rng.random() < grammar.MORE_RATE:
        sentences.append(_second_sentence(rng, voice))
    if rng.random() < grammar.MORE_RATE:
        sentences.append(_remark(rng, voice))
    if is_reply and rng.random() < grammar.MORE_RATE:
        sentences.insert(0, grammar.AGREEMENT[voice.style])
    return " ".join(sentence + rng.choice(grammar.CLOSERS) for sentence in sentences)


def _add_noise(rng: random.Random, text: str) -> str:
    """Adds each kind of noise at its own rate, around, inside or instead of a text."""
    for rate, variants in grammar.STRAY.values():
        if rng.random() < rate:
            stray = rng.choice(variants).format(n=rng.randint(1000, 9999))
            text = f"{stray} {text}" if rng.random() < 0.2 else f"{text} {stray}"
    for rate, variants in grammar.HIDDEN.values():
        if rng.random() < rate:
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(variants) + text[at:]
    for rate, variants in grammar.WHOLE.values():
        if rng.random() < rate:
            text = rng.choice(variants)
    decompose = rng.random() < grammar.DECOMPOSED_RATE
    return unicodedata.normalize("NFD", text) if decompose else text


def _near_duplicate(rng: random.Random, text: str, topic: str) -> str:
    """Changes the topic's particle or, failing that, the final punctuation."""
    old = with_particle(topic, grammar.PARTICLES["topic"])
    if old in text and rng.random() < 0.5:
        return text.replace(old, topic + "도", 1)
    return text[:-1] if text.endswith((".", "!", "~")) else text + "."


def _thread(rng: random.Random) -> list[str]:
    """A comment and its replies, all on one topic; some repeat an earlier one."""
    domain, topic = rng.choice(_TOPICS)
    texts: list[str] = []
    for reply in range(1 + rng.randint(0, grammar.MAX_REPLIES)):
        if texts and rng.random() < grammar.DUPLICATE_RATE:
            text = rng.choice(texts)
        elif texts and rng.random() < grammar.NEAR_DUPLICATE_RATE:
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
        if thread % grammar.SPAM_EVERY == grammar.SPAM_EVERY // 2:
            texts.append(f"{texts[0]} {grammar.SPAM}")
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
        stems = grammar.WRONG_PREDICATES[voice.domain].split()
        return [stem + voice.style for stem in stems]
    own = _forms(voice.domain, slot)
    return [word for word in grammar.WRONG_ASPECTS.split() if word not in own]


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
        template = rng.choice(grammar.TEMPLATES)
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


def write_jsonl(records: Iterable[dict], path: str) -> int:
    """Writes a file that appears when it is complete; returns the number of records."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    with open(f"{path}.tmp", "w", encoding="utf-8", newline="\n") as output:
        output.writelines(lines)
    os.replace(f"{path}.tmp", path)
    return len(lines)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Corpus."""

    output: str = flag("build/demo/raw.jsonl", "JSONL file to write.")
    seed: int = flag(0, "Another seed makes another corpus.")
    num_threads: int = flag(DEFAULT_NUM_THREADS, "Comment threads.", at_least=1)


def make_corpus(settings: Settings) -> None:
    path, threads = settings.output, settings.num_threads
    records = write_jsonl(generate(settings.seed, threads), path)
    size = os.path.getsize(path)
    logging.info("%s: %d records, %d threads, %d bytes", path, records, threads, size)


if __name__ == "__main__":
    cli.run(make_corpus)
