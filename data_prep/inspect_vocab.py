"""Vocabularies -> how well each tokenizes Korean text: a table and an HTML report.

  python -m data_prep.inspect_vocab --vocab=A/vocab.txt,B/vocab.txt \\
      --input=heldout.txt --output_dir=W/inspect --korquad=KorQuAD_v1.0_dev.json \\
      --probe --probe_train=train.tsv --probe_dev=dev.tsv
"""

import dataclasses
import itertools
import os
import random
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from common import cli, files, output_folder
from common.cli import flag
from common.errors import UserError
from data_prep.raw import inputs, reader
from data_prep.raw.records import ReadSettings
from data_prep.vocab import measures, page, probe, vocabulary


@dataclasses.dataclass(frozen=True)
class Input:
    """Vocabularies and text."""

    vocab: tuple[str, ...] = flag(
        (), "vocab.txt files, separated by commas.", required=True, reads=True
    )
    input: tuple[str, ...] = flag(
        (),
        "Text that the vocabularies were not trained on, in the formats of "
        "clean_corpus, such as its shards: names or quoted patterns. Clean it as the "
        "corpus was cleaned.",
        required=True,
        reads=True,
    )
    text_field: str = flag("", "Field of .jsonl and .tsv that contains the text.")
    num_lines: int = flag(100_000, "Lines to sample from the input.", at_least=1)
    num_samples: int = flag(10, "Lines to show side by side.", at_least=0)
    korquad: str = flag(
        "",
        "KorQuAD 1.0 file: measure how many answers lie on token boundaries.",
        reads=True,
    )
    seed: int = flag(0, "Seed of the sampled lines and of the probe.")


@dataclasses.dataclass(frozen=True)
class Output(output_folder.Output):
    """Output, besides the table on the terminal."""

    output_dir: str = flag(
        "", "Folder for report.json and report.html, missing or empty.", writes="folder"
    )


@dataclasses.dataclass(frozen=True)
class Probe:
    """Probe: a small biLSTM trained with each vocabulary."""

    probe: bool = flag(False, "Train it on --probe_train.")
    probe_train: str = flag(
        "",
        ".tsv with the columns document and label (0 or 1), such as NSMC's.",
        reads=True,
    )
    probe_dev: str = flag("", "The same, to measure the accuracy on.", reads=True)
    probe_epochs: int = flag(2, "Epochs.", at_least=1)
    probe_runs: int = flag(
        1, "Runs with different seeds whose accuracies are averaged.", at_least=1
    )


def _names(paths: Sequence[str]) -> dict[str, str]:
    """A short name for each vocab.txt: its folder's, its own, or its whole path."""

    def name(path: str) -> str:
        folder, file = os.path.split(path)
        return os.path.basename(folder) if file == vocabulary.VOCAB_FILE else file

    short = [name(path) for path in paths]
    distinct = len(set(short)) == len(paths) and all(short)
    return dict(zip(short if distinct else paths, paths, strict=True))


def _sample_lines(given: Input) -> list[str]:
    """A random sample of the input's lines (reservoir sampling), in their order."""
    settings = ReadSettings(given.text_field, txt_documents="line", on_decode_error="")
    paths = inputs.find(given.input)
    reader.check(paths, settings)
    rng, seen = random.Random(given.seed), 0
    drawn: list[tuple[int, str]] = []
    for records in reader.read(paths, settings):
        for line in map(str.strip, itertools.chain.from_iterable(records.documents)):
            place = rng.randrange(seen + 1)
            if seen < given.num_lines:
                drawn.append((seen, line))
            elif place < given.num_lines:
                drawn[place] = (seen, line)
            seen += 1
    logging.info("--input: %d of %d lines", len(drawn), seen)
    return [line for _, line in sorted(drawn)]


def _measure(
    given: Input, probed: Probe, tokenizers: dict[str, Any], lines: list[str]
) -> dict[str, dict[str, Any]]:
    """{name of a vocabulary: its figures}."""
    special = dict.fromkeys(vocabulary.SPECIAL_TOKENS)
    for path in given.vocab:
        special |= dict.fromkeys(vocabulary.read_options(path).special_tokens)
    labelled = []
    if probed.probe:
        paths = (probed.probe_train, probed.probe_dev)
        labelled = [probe.read_labelled(path) for path in paths]
    measured = {}
    for name, tokenizer in tokenizers.items():
        logging.info("measuring %s", name)
        figures = measures.measure(tokenizer, lines, list(special))
        if given.korquad:
            spans = measures.span_boundaries(tokenizer, given.korquad)
            figures["span_boundaries"] = spans
        if probed.probe:
            seeds = range(given.seed, given.seed + probed.probe_runs)
            runs = [
                probe.accuracy(tokenizer, *labelled, probed.probe_epochs, seed)
                for seed in seeds
            ]
            figures |= {"probe_accuracy": float(np.mean(runs)), "probe_runs": runs}
        measured[name] = figures
    return measured


def inspect_vocab(given: Input, output: Output, probed: Probe) -> None:
    if probed.probe != bool(probed.probe_train and probed.probe_dev):
        raise UserError("--probe, --probe_train and --probe_dev go together")
    if output.output_dir:
        output_folder.check_new(output, "inspect_vocab")
    names = _names(given.vocab)
    tokenizers = {name: vocabulary.load_tokenizer(path) for name, path in names.items()}
    lines = _sample_lines(given)
    measured = _measure(given, probed, tokenizers, lines)
    shown = random.Random(given.seed).sample(lines, min(given.num_samples, len(lines)))
    report = {
        "input": f"{len(lines)} lines of {', '.join(given.input)}",
        "files": names,
        "vocabs": measured,
        "samples": measures.side_by_side(tokenizers, shown),
    }
    print(page.text_table(measured))
    if output.output_dir:
        with tempfile.TemporaryDirectory() as folder:
            files.write_json(os.path.join(folder, "report.json"), report)
            files.write_text(os.path.join(folder, "report.html"), page.page(report))
            output_folder.publish(folder, output, "inspect_vocab", {})


if __name__ == "__main__":
    cli.run(inspect_vocab)
