"""Vocabularies -> how well each cuts Korean text: a table, report.json, report.html.

  python -m data_prep.inspect_vocab --vocab=A/vocab.txt,B/vocab.txt \\
      --input=heldout.txt --output_dir=W/inspect --korquad=KorQuAD_v1.0_dev.json \\
      --probe --probe_train=train.tsv --probe_dev=dev.tsv
"""

import gzip
import os
import random
from typing import Any

import numpy as np
from absl import flags, logging

from common import cli, files
from common.cli import UserError
from data_prep.stages import manifest
from data_prep.vocab import measures, probe, vocabulary
from data_prep.vocab import page as vocab_page

_VOCAB = flags.DEFINE_list("vocab", None, "vocab.txt files, separated by commas.")
_INPUT = flags.DEFINE_list(
    "input",
    None,
    "Text that the vocabularies were not trained on: names or quoted patterns of text "
    "files, plain or .gz, such as shards of clean_corpus. Clean it as the corpus was.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "", "Folder for report.json and report.html, new or empty."
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
_NUM_LINES = flags.DEFINE_integer(
    "num_lines", 100_000, "Lines drawn from the input.", lower_bound=1
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", 10, "Lines shown side by side.", lower_bound=0
)
_KORQUAD = flags.DEFINE_string(
    "korquad", "", "A KorQuAD 1.0 file: do its answers fall on token boundaries?"
)
_PROBE = flags.DEFINE_bool(
    "probe", False, "Train a small biLSTM on --probe_train with each vocabulary."
)
_PROBE_TRAIN = flags.DEFINE_string(
    "probe_train", "", ".tsv with the columns document and label (0 or 1), as NSMC's."
)
_PROBE_DEV = flags.DEFINE_string("probe_dev", "", "The same, to measure on.")
_PROBE_EPOCHS = flags.DEFINE_integer("probe_epochs", 2, "Epochs.", lower_bound=1)
_PROBE_RUNS = flags.DEFINE_integer(
    "probe_runs", 1, "Seeds whose accuracies are averaged.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the lines drawn and of the probe.")
flags.mark_flags_as_required(["vocab", "input"])


def _names(paths: list[str]) -> dict[str, str]:
    """A short name for each vocab.txt: its folder's, its own, or its whole path."""

    def name(path: str) -> str:
        folder, file = os.path.split(path)
        return os.path.basename(folder) if file == vocabulary.VOCAB_FILE else file

    short = [name(path) for path in paths]
    distinct = len(set(short)) == len(paths) and all(short)
    return dict(zip(short if distinct else paths, paths, strict=True))


def _read_lines() -> list[str]:
    """A random sample of the input's lines (reservoir sampling), in their order."""
    paths = [path for pattern in _INPUT.value for path in files.glob(pattern)]
    if not paths:
        raise UserError(f"--input: no file matches {','.join(_INPUT.value)!r}")
    rng, seen = random.Random(_SEED.value), 0
    drawn: list[tuple[int, str]] = []
    for path in paths:
        with files.open_binary(path) as handle:
            for raw in gzip.open(handle) if path.endswith(".gz") else handle:
                line = _decode(raw, path).strip()
                if not line:
                    continue
                place = rng.randrange(seen + 1)
                if seen < _NUM_LINES.value:
                    drawn.append((seen, line))
                elif place < _NUM_LINES.value:
                    drawn[place] = (seen, line)
                seen += 1
    logging.info("--input: %d of %d lines", len(drawn), seen)
    return [line for _, line in sorted(drawn)]


def _decode(raw: bytes, path: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"--input: {path} is no UTF-8 text: {error}") from error


def _check_flags() -> None:
    if _PROBE.value != bool(_PROBE_TRAIN.value and _PROBE_DEV.value):
        raise UserError("--probe needs --probe_train and --probe_dev, and they need it")
    if _OUTPUT_DIR.value:
        manifest.check_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value, _VOCAB.value)


def _probe(tokenizer: Any, train: Any, dev: Any) -> dict[str, Any]:
    runs = [
        probe.accuracy(tokenizer, train, dev, _PROBE_EPOCHS.value, seed)
        for seed in range(_SEED.value, _SEED.value + _PROBE_RUNS.value)
    ]
    return {"probe_accuracy": float(np.mean(runs)), "probe_runs": runs}


def _measure(tokenizers: dict[str, Any], lines: list[str]) -> dict[str, dict[str, Any]]:
    special = dict.fromkeys(vocabulary.SPECIAL_TOKENS)
    for path in _VOCAB.value:
        special |= dict.fromkeys(vocabulary.read_options(path).special_tokens)
    probe_data = []
    if _PROBE.value:
        paths = (_PROBE_TRAIN.value, _PROBE_DEV.value)
        probe_data = [probe.read_labelled(path) for path in paths]
    measured = {}
    for name, tokenizer in tokenizers.items():
        logging.info("measuring %s", name)
        figures = measures.measure(tokenizer, lines, list(special))
        if _KORQUAD.value:
            spans = measures.span_boundaries(tokenizer, _KORQUAD.value)
            figures["span_boundaries"] = spans
        if _PROBE.value:
            figures |= _probe(tokenizer, *probe_data)
        measured[name] = figures
    return measured


def inspect_vocab() -> None:
    _check_flags()
    names = _names(_VOCAB.value)
    tokenizers = {name: vocabulary.load_tokenizer(path) for name, path in names.items()}
    lines = _read_lines()
    measured = _measure(tokenizers, lines)
    shown = random.Random(_SEED.value).sample(
        lines, min(_NUM_SAMPLES.value, len(lines))
    )
    report = {
        "input": f"{len(lines)} lines of {', '.join(_INPUT.value)}",
        "files": names,
        "vocabs": measured,
        "samples": measures.side_by_side(tokenizers, shown),
    }
    print(vocab_page.text_table(measured))
    if _OUTPUT_DIR.value:
        manifest.prepare_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value)
        files.write_json(os.path.join(_OUTPUT_DIR.value, "report.json"), report)
        page = vocab_page.page(report)
        files.write_text(os.path.join(_OUTPUT_DIR.value, "report.html"), page)


if __name__ == "__main__":
    cli.run(inspect_vocab)
