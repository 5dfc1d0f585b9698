"""The benchmark runs both sides over the same text and reports their ratio."""

import re

import pytest

from common import files, manifest
from common.errors import UserError
from data_prep.vocab import tokenizer_source
from tools.bench import data


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[str, str]:
    return data.make_corpus(str(tmp_path_factory.mktemp("bench")), 300)


def test_the_bundled_corpus_is_made_once(corpus):
    clean, vocab_dir = corpus
    work_dir = clean.removesuffix("/clean")
    written = files.read_text(f"{vocab_dir}/manifest.json")
    assert data.make_corpus(work_dir, 300) == corpus
    assert files.read_text(f"{vocab_dir}/manifest.json") == written
    assert files.listdir(work_dir) == ["clean", "vocab"]


def test_report_is_of_the_records_that_were_built(corpus, tmp_path):
    clean, vocab_dir = corpus
    report = data.compare(clean, vocab_dir, str(tmp_path / "built"), rounds=1)
    built = manifest.read(str(tmp_path / "built"), "build_tfrecords")
    lines = sum(e["lines"] for e in manifest.read(clean, "clean_corpus")["files"])
    counts = built["counts"].values()
    # Two or three special tokens stand in each example.
    tokens = sum(c["tokens"] + c["truncated_tokens"] for c in counts)
    examples = sum(c["examples"] for c in counts)
    (found,) = re.findall(rf" {lines} lines, (\d+) tokens, 1 rounds", report)
    assert tokens - 3 * examples <= int(found) <= tokens - 2 * examples
    seconds = (
        r"encode_batch_fast ([\d.]+) .* build_tfrecords ([\d.]+) .* ratio ([\d.]+)"
    )
    for kind in ("clock", "cpu"):
        ((alone, whole, ratio),) = re.findall(f"{kind} seconds: {seconds}", report)
        assert float(ratio) == pytest.approx(float(alone) / float(whole), abs=0.02)
    assert re.search(r"peak memory of build_tfrecords: \d{2,4} MB", report)


def test_failing_stage_is_told_with_its_log(tmp_path):
    message = r"tools\.demo\.corpus .*failed:\n.*--num_threads=0"
    with pytest.raises(UserError, match=message):
        data.make_corpus(str(tmp_path), 0)


def test_encoding_alone_counts_lines_and_tokens(corpus):
    clean, vocab_dir = corpus
    entries = manifest.read(clean, "clean_corpus")["files"]
    paths = [f"{clean}/{entry['name']}" for entry in entries]
    tokenizer_json = tokenizer_source.load(vocab_dir).tokenizer_json
    lines, tokens, cost = data.encode(paths, tokenizer_json)
    assert lines == sum(entry["lines"] for entry in entries)
    assert tokens > lines
    assert cost.clock > 0 and cost.cpu > 0
