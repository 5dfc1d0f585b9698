"""How each system made its vocabulary: from a clean folder to the tokens.

wordpiece  pieces of words                                     KcBERT, Hwahae
merge      the same, then the tokens that only another has     KcELECTRA
mecab      pieces of morphemes                                 KoELECTRA v3, KR-ELECTRA
"""

import dataclasses
import functools
from collections import Counter
from typing import Any

from absl import logging

from common.cli import flag
from common.errors import UserError
from common.progress import Progress
from data_prep.stages.parallel import Workers
from data_prep.vocab import morphemes, training, vocabulary
from data_prep.vocab.alphabet import Alphabet
from data_prep.vocab.word_counts import Sample, WordCounter, count_shard

WORDPIECE, MERGE, MECAB = RECIPES = ("wordpiece", "merge", "mecab")


@dataclasses.dataclass(frozen=True)
class VocabSettings(Sample):
    """What decides the vocabulary, besides the text."""

    recipe: str = flag(
        WORDPIECE,
        "wordpiece: pieces of words (KcBERT, Hwahae). merge: the same, then the tokens "
        "of --merge_vocab that it lacks (KcELECTRA). mecab: pieces of morphemes "
        "(KoELECTRA v3, KR-ELECTRA).",
        choices=RECIPES,
    )
    vocab_size: int = flag(
        30_000,
        "Tokens, including special tokens, characters and unused slots but not merged "
        "ones.",
        at_least=10,
    )
    limit_alphabet: int = flag(
        6_000,
        "Characters to keep, most frequent first; words with others become [UNK]. "
        "Korean comments use about 2,500 syllables, Hanja some thousands. Jamo, ASCII "
        "and common emoji are always kept.",
        at_least=1,
    )
    min_frequency: int = flag(
        2, "Pairs of tokens seen less often are not merged.", at_least=1
    )
    special_tokens: tuple[str, ...] = flag(
        (),
        "Tokens never split, besides the usual five and those of --input_dir's "
        "manifest, such as [PHONE],{laughing}.",
    )
    num_unused: int = flag(
        0,
        "Slots [unused0], [unused1], ... at the end; KoELECTRA has 200.",
        at_least=0,
    )
    merge_vocab: str = flag("", "vocab.txt for --recipe=merge.", reads=True)
    analyzer: str = flag(
        morphemes.MECAB,
        "Morphological analyser for --recipe=mecab.",
        choices=morphemes.ANALYZERS,
    )
    max_words: int = flag(
        5_000_000,
        "Distinct words kept in memory, about 1 kB each; beyond it the rarer half is "
        "dropped.",
        at_least=1_000,
    )
    strip_accents: bool = flag(
        False, "Strip accents; needs --allow_split_syllables as well."
    )
    do_lower_case: bool = flag(False, "Lower-case the text.")
    allow_split_syllables: bool = flag(
        False, "Allow --strip_accents, which splits Hangul syllables into jamo."
    )

    def config(self) -> dict[str, Any]:
        """The fields that the vocabulary depends on."""
        fields = dataclasses.asdict(self)
        del fields["allow_split_syllables"]
        if self.merge_vocab:
            fields["merge_vocab_sha256"] = vocabulary.fingerprint(self.merge_vocab)
        return fields

    @property
    def tokenizer(self) -> vocabulary.TokenizerOptions:
        return vocabulary.TokenizerOptions(
            self.do_lower_case, self.strip_accents, self.special_tokens
        )

    def check(self) -> None:
        """Refuses what would otherwise fail after hours of counting.

        Raises:
          UserError: bad special tokens, merge vocabulary or analyser, or stripped
            accents.
        """
        if self.strip_accents and not self.allow_split_syllables:
            raise UserError(
                "--strip_accents splits every Hangul syllable into jamo (한 -> ㅎ ㅏ "
                "ㄴ): leave it out (--do_lower_case alone is harmless), or add "
                "--allow_split_syllables"
            )
        vocabulary.check_special_tokens(self.special_tokens)
        if bool(self.merge_vocab) != (self.recipe == MERGE):
            raise UserError("--merge_vocab=FILE and --recipe=merge go together")
        if self.merge_vocab:
            vocabulary.read_tokens(self.merge_vocab)
        if self.recipe == MECAB:
            morphemes.analyzer(self.analyzer)


def train(
    clean_dir: str,
    entries: list[dict[str, Any]],
    settings: VocabSettings,
    workers: Workers,
) -> tuple[list[str], dict[str, Any]]:
    """The tokens in the order of their ids, and a report for the manifest.

    Raises:
      UserError: an empty sample, no Hangul, no room for a word, or nothing to learn.
    """
    split = vocabulary.word_splitter(settings.tokenizer)
    counter = WordCounter(split, settings.max_words)
    used = _count(counter, clean_dir, entries, settings, workers)
    words = counter.finish()
    _check_counts(clean_dir, used, counter)
    kept = counter.alphabet.choose(settings.limit_alphabet, split)
    layout = training.Layout(
        settings.special_tokens,
        counter.alphabet.tokens(kept, split),
        settings.num_unused,
    )
    layout.check_room(settings.vocab_size)
    report = {
        "counted": dict(used),
        "distinct_words": len(words),
        "dropped_words": counter.dropped_words,
        "dropped_occurrences": counter.dropped_occurrences,
        **_alphabet_report(counter.alphabet, kept),
    }
    if settings.recipe == MECAB:
        words = morphemes.count(words, settings.analyzer, workers)
        report["distinct_morphemes"] = len(words)
    own = training.learn(words, layout, settings.vocab_size, settings.min_frequency)
    if len(own) < settings.vocab_size:
        logging.warning(
            "the corpus gives only %d tokens, not %d", len(own), settings.vocab_size
        )
    if settings.recipe != MERGE:
        return own, report
    tokens, report["merge"] = _merge(own, settings.merge_vocab)
    return tokens, report


def _count(
    counter: WordCounter,
    clean_dir: str,
    entries: list[dict[str, Any]],
    sample: Sample,
    workers: Workers,
) -> Counter[str]:
    """Counts the words of the shards; returns how much text that was."""
    used: Counter[str] = Counter()
    total = sum(entry["bytes"] for entry in entries)
    with Progress("counting words", total, "B") as progress:
        count = functools.partial(count_shard, sample, clean_dir)
        counted = workers.map(count, entries)
        for entry, (words, shard_used) in zip(entries, counted, strict=True):
            counter.add(words)
            used.update(shard_used)
            progress.update(entry["bytes"])
    logging.info("counted %s", dict(used))
    return used


def _check_counts(clean_dir: str, used: Counter[str], counter: WordCounter) -> None:
    if counter.dropped_words:
        logging.warning(
            "--max_words: dropped %d rare words (%d occurrences)",
            counter.dropped_words,
            counter.dropped_occurrences,
        )
    if not used["documents"]:
        raise UserError("--sample_fraction leaves no document: increase it")
    if not counter.alphabet.has_hangul():
        raise UserError(
            f"{clean_dir}: no Hangul in {used['lines']} lines. Is this the Korean "
            "text, and was it read in the right encoding?"
        )


def _alphabet_report(alphabet: Alphabet, kept: list[str]) -> dict[str, Any]:
    """What the alphabet limit drops: words with these characters become [UNK]."""
    dropped = alphabet.dropped(kept)
    report = {
        "corpus_characters": len(alphabet.counts),
        "dropped_characters": len(dropped),
        "dropped_characters_share": sum(dropped.values()) / alphabet.counts.total(),
        "most_frequent_dropped_characters": list(dropped)[:20],
    }
    logging.info("alphabet: %s", report)
    return report


def _merge(own: list[str], merge_vocab: str) -> tuple[list[str], dict[str, int]]:
    other = vocabulary.read_tokens(merge_vocab)
    # KcELECTRA merged its 30,000 with KoELECTRA's vocabulary this way (50,135).
    tokens = list(dict.fromkeys([*own, *other]))
    added = len(tokens) - len(own)
    sizes = {"own": len(own), "other": len(other), "added": added, "all": len(tokens)}
    logging.info("merged: %s", sizes)
    return tokens, sizes
