"""Clean text -> WordPiece vocabulary: vocab.txt, tokenizer.json and a manifest.

  python -m data_prep.train_vocab --input_dir=W/clean --output_dir=W/vocab \\
      --vocab_size=30000 --recipe=mecab

The same input, seed and settings give the same bytes with any number of workers and
threads.
"""

import dataclasses
import os

from absl import logging

from common import cli, manifest, output_folder
from common.cli import flag
from common.output_folder import Output
from data_prep.stages import parallel
from data_prep.vocab import recipes, vocabulary
from data_prep.vocab.recipes import VocabSettings


@dataclasses.dataclass(frozen=True)
class Input:
    """Input and processes."""

    input_dir: str = flag("", "Folder made by clean_corpus.", required=True, reads=True)
    num_workers: int = flag(os.cpu_count(), "Processes that count words.", at_least=1)


def train_vocab(made: Input, output: Output, settings: VocabSettings) -> None:
    clean = manifest.read(made.input_dir, "clean_corpus")
    special = dict.fromkeys(
        [*clean.get("special_tokens", ()), *settings.special_tokens]
    )
    settings = dataclasses.replace(settings, special_tokens=tuple(special))
    settings.check()
    config = {**settings.config(), "clean_sha256": manifest.content_hash(clean)}
    log = output_folder.begin(output, "train_vocab", config)
    if log.is_complete:
        return
    with parallel.Workers(made.num_workers) as workers:
        tokens, report = recipes.train(
            made.input_dir, clean["files"], settings, workers
        )
    log.start("vocabulary", vocabulary.paths(log.output))
    entries = vocabulary.save(log.output, tokens, settings.tokenizer)
    log.finish("vocabulary", {})
    sha256 = vocabulary.fingerprint(os.path.join(log.output, vocabulary.VOCAB_FILE))
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
    logging.info(
        "%s: %d tokens, SHA-256 %s...", output.output_dir, len(tokens), sha256[:16]
    )


if __name__ == "__main__":
    cli.run(train_vocab)
