"""How each system made its vocabulary: from a clean folder to the tokens.

wordpiece  pieces of words                            KcBERT, Hwahae
merge      the same, then another vocabulary's rest   KcELECTRA
mecab      pieces of morphemes                        KoELECTRA v3, KR-ELECTRA
"""

import dataclasses
import os
from collections import Counter
from typing import Any

from absl import logging

from common.cli import UserError
from common.progress import Progress
from data_prep.stages.parallel import Workers
from data_prep.vocab import morphemes, training, vocabulary
from data_prep.vocab.alphabet import Alphabet
from data_prep.vocab.word_counts import Sample, ShardJob, WordCounter, count_shard

WORDPIECE, MERGE, MECAB = RECIPES = ("wordpiece", "merge", "mecab")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is made of a corpus; the fields are train_vocab's flags.

    vocab_size: tokens before a merge, with special tokens, characters, unused slots.
    """

    name: str
    vocab_size: int
    limit_alphabet: int
    min_frequency: int
    num_unused: int = 0
    analyzer: str = morphemes.MECAB
    merge_vocab: str = ""
    max_words: int = 5_000_000
    sample: Sample = Sample()
    tokenizer: vocabulary.TokenizerOptions = vocabulary.TokenizerOptions()

    def check(self) -> None:
        """Refuses what would fail after hours of counting.

        Raises:
          UserError: bad special tokens, merge vocabulary or analyser.
        """
        vocabulary.check_special_tokens(self.tokenizer.special_tokens)
        if bool(self.merge_vocab) != (self.name == MERGE):
            raise UserError("--merge_vocab=FILE and --recipe=merge need each other")
        if self.merge_vocab:
            vocabulary.read_tokens(self.merge_vocab)
        if self.name == MECAB:
            morphemes.analyzer(self.analyzer)


def train(
    clean_dir: str, entries: list[dict[str, Any]], recipe: Recipe, workers: Workers
) -> tuple[list[str], dict[str, Any]]:
    """Tokens in the order of their ids, and a report for the manifest.

    Args:
      clean_dir: made by clean_corpus.
      entries: its manifest's files.
      recipe: what to do.
      workers: processes; the result does not depend on it.

    Raises:
      UserError: nothing sampled, no Hangul, no room for a word, or nothing to learn.
    """
    split = vocabulary.word_splitter(recipe.tokenizer)
    counter = WordCounter(split, recipe.max_words)
    used = _count(counter, clean_dir, entries, recipe.sample, workers)
    words = counter.finish()
    _check_counts(clean_dir, used, counter)
    kept = counter.alphabet.choose(recipe.limit_alphabet, split)
    layout = training.Layout(
        recipe.tokenizer.special_tokens,
        counter.alphabet.tokens(kept, split),
        recipe.num_unused,
    )
    layout.check_room(recipe.vocab_size)
    report = {
        "counted": dict(used),
        "distinct_words": len(words),
        "dropped_words": counter.dropped_words,
        "dropped_occurrences": counter.dropped_occurrences,
        **_alphabet_report(counter.alphabet, kept),
    }
    if recipe.name == MECAB:
        words = morphemes.count(words, recipe.analyzer, workers)
        report["distinct_morphemes"] = len(words)
    own = training.learn(words, layout, recipe.vocab_size, recipe.min_frequency)
    if len(own) < recipe.vocab_size:
        logging.warning(
            "the corpus gives %d tokens only, not %d", len(own), recipe.vocab_size
        )
    if recipe.name != MERGE:
        return own, report
    tokens, report["merge"] = _merge(own, recipe.merge_vocab)
    return tokens, report


def _count(
    counter: WordCounter,
    clean_dir: str,
    entries: list[dict[str, Any]],
    sample: Sample,
    workers: Workers,
) -> Counter[str]:
    """Counts the shards; returns how much text that was."""
    jobs = [ShardJob(os.path.join(clean_dir, e["name"]), sample) for e in entries]
    used: Counter[str] = Counter()
    total = sum(entry["bytes"] for entry in entries)
    with Progress("counting words", total, "B") as progress:
        counted = workers.map(count_shard, jobs)
        for entry, (words, shard_used) in zip(entries, counted, strict=True):
            counter.add(words)
            used.update(shard_used)
            progress.update(entry["bytes"])
    logging.info("counted %s", dict(used))
    return used


def _check_counts(clean_dir: str, used: Counter[str], counter: WordCounter) -> None:
    if counter.dropped_words:
        logging.warning(
            "--max_words: %d rare words, %d occurrences, were dropped",
            counter.dropped_words,
            counter.dropped_occurrences,
        )
    if not used["documents"]:
        raise UserError("--sample_fraction leaves no document: raise it")
    if not counter.alphabet.has_hangul():
        raise UserError(
            f"{clean_dir} holds no Hangul in {used['lines']} lines: is it the Korean "
            "text, and was it read in its encoding?"
        )


def _alphabet_report(alphabet: Alphabet, kept: list[str]) -> dict[str, Any]:
    """What the alphabet limit drops: those words become [UNK]."""
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
    tokens = training.merge(own, other)
    added = len(tokens) - len(own)
    sizes = {"own": len(own), "other": len(other), "added": added, "all": len(tokens)}
    logging.info("merged: %s", sizes)
    return tokens, sizes
