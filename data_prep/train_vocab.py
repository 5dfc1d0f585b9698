"""Clean text -> WordPiece vocabulary: vocab.txt, tokenizer.json and a manifest.

  python -m data_prep.train_vocab --input_dir=W/clean --output_dir=W/vocab \\
      --vocab_size=30000
"""

import os
from collections.abc import Iterator

from absl import flags, logging

from data_prep import cli, manifest, shards, vocab
from data_prep.cli import UserError
from data_prep.progress import Progress

_INPUT_DIR = flags.DEFINE_string("input_dir", None, "Folder made by clean_corpus.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
_VOCAB_SIZE = flags.DEFINE_integer(
    "vocab_size", 30_000, "Tokens, special ones included.", lower_bound=10
)
_LIMIT_ALPHABET = flags.DEFINE_integer(
    "limit_alphabet",
    6_000,
    "Characters kept, most frequent first; the rest become [UNK]. Korean comments use "
    "about 2,500 syllables, Hanja some thousands.",
    lower_bound=1,
)
_MIN_FREQUENCY = flags.DEFINE_integer(
    "min_frequency", 2, "A pair seen less often is not merged.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
flags.mark_flags_as_required(["input_dir", "output_dir"])


def _lines(clean: dict, progress: Progress) -> Iterator[str]:
    for entry in clean["files"]:
        path = os.path.join(_INPUT_DIR.value, entry["name"])
        for document in shards.read_shard(path, progress.update):
            yield from document


def train_vocab() -> None:
    clean = manifest.read(_INPUT_DIR.value, "clean_corpus")
    inputs = (_INPUT_DIR.value,)
    manifest.check_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value, inputs)
    total = sum(entry["bytes"] for entry in clean["files"])
    alphabet = vocab.Alphabet()
    with Progress("counting characters", total, "B") as progress:
        for line in _lines(clean, progress):
            alphabet.add(line)
    kept = min(len(alphabet), _LIMIT_ALPHABET.value)
    if kept + len(vocab.SPECIAL_TOKENS) >= _VOCAB_SIZE.value:
        raise UserError(
            f"--vocab_size={_VOCAB_SIZE.value} is smaller than the alphabet: the "
            f"corpus has {len(alphabet)} characters, of which {kept} are kept, and "
            f"there are {len(vocab.SPECIAL_TOKENS)} special tokens. Raise it, or lower "
            "--limit_alphabet"
        )
    with Progress("counting words", total, "B") as progress:
        tokens = vocab.train(
            vocab.batches(_lines(clean, progress)),
            alphabet,
            vocab_size=_VOCAB_SIZE.value,
            limit_alphabet=_LIMIT_ALPHABET.value,
            min_frequency=_MIN_FREQUENCY.value,
        )
    vocab.check_size(tokens, _VOCAB_SIZE.value)
    if len(tokens) < _VOCAB_SIZE.value:
        logging.warning(
            "the corpus gives %d tokens only, not %d", len(tokens), _VOCAB_SIZE.value
        )
    manifest.prepare_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value)
    entries = vocab.save(_OUTPUT_DIR.value, tokens)
    sha256 = vocab.fingerprint(os.path.join(_OUTPUT_DIR.value, vocab.VOCAB_FILE))
    manifest.write(
        _OUTPUT_DIR.value,
        "train_vocab",
        {
            "vocab_size": len(tokens),
            "vocab_sha256": sha256,
            "limit_alphabet": _LIMIT_ALPHABET.value,
            "min_frequency": _MIN_FREQUENCY.value,
            "corpus_characters": len(alphabet),
            "recipe": clean["recipe"],
            "recipe_hash": clean["recipe_hash"],
            "files": entries,
        },
    )
    logging.info(
        "%s: %d tokens, %d characters seen, SHA-256 %s...",
        _OUTPUT_DIR.value,
        len(tokens),
        len(alphabet),
        sha256[:16],
    )


if __name__ == "__main__":
    cli.run(train_vocab)
