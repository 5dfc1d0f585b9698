"""Clean text -> WordPiece vocabulary: vocab.txt, tokenizer.json and a manifest.

  python -m data_prep.train_vocab --input_dir=W/clean --output_dir=W/vocab \\
      --vocab_size=30000 --recipe=mecab

The same input, seed and settings give the same bytes with any number of workers and
threads.
"""

import dataclasses
import os
from typing import Any

from absl import flags, logging

from common import cli
from common.cli import UserError
from data_prep.stages import manifest, parallel, resume
from data_prep.vocab import morphemes, recipes, vocabulary, word_counts

_INPUT_DIR = flags.DEFINE_string("input_dir", None, "Folder made by clean_corpus.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
_RECIPE = flags.DEFINE_enum(
    "recipe",
    recipes.WORDPIECE,
    recipes.RECIPES,
    "wordpiece: pieces of words (KcBERT, Hwahae). merge: the same, then the tokens of "
    "--merge_vocab that it lacks (KcELECTRA). mecab: pieces of morphemes (KoELECTRA "
    "v3, KR-ELECTRA).",
)
_VOCAB_SIZE = flags.DEFINE_integer(
    "vocab_size",
    30_000,
    "Tokens; special ones, characters and unused slots included, merged ones not.",
    lower_bound=10,
)
_LIMIT_ALPHABET = flags.DEFINE_integer(
    "limit_alphabet",
    6_000,
    "Characters kept, most frequent first; the rest become [UNK]. Korean comments use "
    "about 2,500 syllables, Hanja some thousands. Jamo, ASCII and common emoji are "
    "always kept.",
    lower_bound=1,
)
_MIN_FREQUENCY = flags.DEFINE_integer(
    "min_frequency", 2, "A pair seen less often is not merged.", lower_bound=1
)
_SPECIAL_TOKENS = flags.DEFINE_list(
    "special_tokens",
    [],
    "Tokens kept whole besides the five and those that --input_dir's manifest names, "
    "such as [PHONE],{laughing}.",
)
_NUM_UNUSED = flags.DEFINE_integer(
    "num_unused", 0, "Slots [unused0].. at the end; KoELECTRA has 200.", lower_bound=0
)
_MERGE_VOCAB = flags.DEFINE_string("merge_vocab", "", "vocab.txt for --recipe=merge.")
_ANALYZER = flags.DEFINE_enum(
    "analyzer", morphemes.MECAB, morphemes.ANALYZERS, "Of --recipe=mecab."
)
_SAMPLE_FRACTION = flags.DEFINE_float(
    "sample_fraction",
    1.0,
    "Share of the documents that is counted; KcBERT took 0.1.",
    lower_bound=1e-6,
    upper_bound=1.0,
)
_STRATIFY_BY = flags.DEFINE_enum(
    "stratify_by",
    word_counts.SHARD,
    word_counts.STRATA,
    "shard: the same share of every shard, and so of every period if the raw text was "
    "in order of time (clean text holds no dates). none: each document by itself.",
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the sample.")
_MAX_WORDS = flags.DEFINE_integer(
    "max_words",
    5_000_000,
    "Distinct words held; beyond it the rarer half is dropped. About 1 kB each.",
    lower_bound=1_000,
)
_STRIP_ACCENTS = flags.DEFINE_bool(
    "strip_accents", False, "Needs --allow_split_syllables."
)
_DO_LOWER_CASE = flags.DEFINE_bool("do_lower_case", False, "Lower-case the text.")
_ALLOW_SPLIT_SYLLABLES = flags.DEFINE_bool(
    "allow_split_syllables", False, "Strip accents although it splits syllables."
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes that count.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
flags.mark_flags_as_required(["input_dir", "output_dir"])


def _tokenizer(clean: dict[str, Any]) -> vocabulary.TokenizerOptions:
    if _STRIP_ACCENTS.value and not _ALLOW_SPLIT_SYLLABLES.value:
        raise UserError(
            "--strip_accents splits every Hangul syllable into jamo (한 -> ㅎ ㅏ ㄴ): "
            "leave it out, --do_lower_case alone does no harm, or insist with "
            "--allow_split_syllables"
        )
    named = (*clean.get("special_tokens", ()), *_SPECIAL_TOKENS.value)
    return vocabulary.TokenizerOptions(
        _DO_LOWER_CASE.value, _STRIP_ACCENTS.value, tuple(dict.fromkeys(named))
    )


def _recipe(clean: dict[str, Any]) -> recipes.Recipe:
    return recipes.Recipe(
        name=_RECIPE.value,
        vocab_size=_VOCAB_SIZE.value,
        limit_alphabet=_LIMIT_ALPHABET.value,
        min_frequency=_MIN_FREQUENCY.value,
        num_unused=_NUM_UNUSED.value,
        analyzer=_ANALYZER.value,
        merge_vocab=_MERGE_VOCAB.value,
        max_words=_MAX_WORDS.value,
        sample=word_counts.Sample(
            _SAMPLE_FRACTION.value, _STRATIFY_BY.value, _SEED.value
        ),
        tokenizer=_tokenizer(clean),
    )


def train_vocab() -> None:
    clean = manifest.read(_INPUT_DIR.value, "clean_corpus")
    output_dir = _OUTPUT_DIR.value
    inputs = [_INPUT_DIR.value, *filter(None, [_MERGE_VOCAB.value])]
    recipe = _recipe(clean)
    recipe.check()
    config = {
        **dataclasses.asdict(recipe),
        "clean_sha256": manifest.content_hash(clean),
    }
    run = (output_dir, "train_vocab", config, _OVERWRITE.value, inputs)
    found = resume.find(*run)
    if found is not None and found.is_complete:
        return
    with parallel.Workers(_NUM_WORKERS.value) as workers:
        tokens, report = recipes.train(
            _INPUT_DIR.value, clean["files"], recipe, workers
        )
    log = resume.begin(*run)
    entries = vocabulary.save(output_dir, tokens, recipe.tokenizer)
    sha256 = vocabulary.fingerprint(os.path.join(output_dir, vocabulary.VOCAB_FILE))
    log.complete(
        {
            "vocab_size": len(tokens),
            "vocab_sha256": sha256,
            **report,
            "recipe": clean["recipe"],
            "recipe_hash": clean["recipe_hash"],
            "files": entries,
        }
    )
    logging.info("%s: %d tokens, SHA-256 %s...", output_dir, len(tokens), sha256[:16])


if __name__ == "__main__":
    cli.run(train_vocab)
