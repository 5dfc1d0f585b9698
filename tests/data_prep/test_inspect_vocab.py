"""inspect_vocab: its table, its JSON, its page, its probe and what it refuses."""

import gzip
import json
import os
import random

import pytest
from helpers import processes

from common.errors import UserError
from data_prep.vocab import page as vocab_page
from data_prep.vocab import probe, vocabulary

GOOD, BAD = "좋다 최고 재미 감동 명작".split(), "별로 지루 최악 실망 졸작".split()


def inspect(*args: object, **options: object) -> processes.Ended:
    named = [f"--{name}={value}" for name, value in options.items()]
    warm = "--probe" in args  # trains a network
    return processes.run("-m", "data_prep.inspect_vocab", *args, *named, warm=warm)


@pytest.fixture
def paths(tmp_path) -> dict[str, str]:
    """Two vocabularies and text for everything."""
    letters = sorted(set("".join(GOOD + BAD)))
    single = [*letters, *("##" + c for c in letters)]
    for name, learned in (("pieces", []), ("words", [*GOOD, *BAD])):
        folder = tmp_path / name
        folder.mkdir()
        tokens = dict.fromkeys([*vocabulary.SPECIAL_TOKENS, *single, *learned])
        vocabulary.save(str(folder), list(tokens))
    rng = random.Random(0)
    rows = []
    for i in range(400):
        words = rng.choices(GOOD if i % 2 else BAD, k=6)
        rows.append(f"{i}\t{' '.join(words)}\t{i % 2}\n")
    (tmp_path / "train.tsv").write_text("id\tdocument\tlabel\n" + "".join(rows[:300]))
    (tmp_path / "dev.tsv").write_text("id\tdocument\tlabel\n" + "".join(rows[300:]))
    text = "".join(row.split("\t")[1] + "\n\n" for row in rows) + "<b>漢字</b> 좋다\n"
    (tmp_path / "text.txt.gz").write_bytes(gzip.compress(text.encode()))
    answer = {"text": "최고", "answer_start": 3}
    paragraph = {"context": "좋다 최고입니다", "qas": [{"answers": [answer]}]}
    squad = {"data": [{"paragraphs": [paragraph]}]}
    (tmp_path / "squad.json").write_text(json.dumps(squad))
    names = ("pieces/vocab.txt", "words/vocab.txt", "text.txt.gz", "train.tsv")
    names += ("dev.tsv", "squad.json")
    return {name.split(".")[0].split("/")[0]: str(tmp_path / name) for name in names}


def test_everything_at_once(paths, tmp_path):
    out = tmp_path / "out"
    ended = inspect(
        "--probe",
        vocab=f"{paths['pieces']},{paths['words']}",
        input=paths["text"],
        output_dir=out,
        korquad=paths["squad"],
        probe_train=paths["train"],
        probe_dev=paths["dev"],
        probe_epochs=6,
    )
    assert ended.code == 0, ended.err
    report = json.loads((out / "report.json").read_text())
    pieces, words = report["vocabs"]["pieces"], report["vocabs"]["words"]
    assert report["input"].startswith("401 lines")
    assert words["tokens_per_word"] < pieces["tokens_per_word"]
    assert pieces["span_boundaries"]["answers"] == 1
    assert words["unk_causes"]["漢"] == 1
    for figures in (pieces, words):
        assert figures["probe_accuracy"] > 0.9
        assert len(figures["probe_runs"]) == 1
    assert len(report["samples"]) == 10
    assert "tokens per word (fertility)" in ended.out
    assert "probe accuracy" in ended.out
    text = (out / "report.html").read_text()
    assert text.count('class="number bar"') == 2 * len(vocab_page.METRICS)
    assert "<b>漢字" not in text.split("Side by side")[1]


def test_the_table_alone_writes_nothing(paths, tmp_path):
    before = sorted(tmp_path.iterdir())
    ended = inspect(vocab=paths["words"], input=paths["text"], num_lines=50)
    assert ended.code == 0, ended.err
    assert "50 of 401 lines" in ended.err
    assert "probe accuracy" not in ended.out
    assert sorted(tmp_path.iterdir()) == before


def test_text_is_read_as_clean_corpus_reads_it(paths, write):
    rows = [{"body": "좋다 최고\n재미"}, {"body": " "}, {"body": "감동"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    text_file = write("a.jsonl.gz", gzip.compress(text.encode()))
    ended = inspect(vocab=paths["words"], input=text_file, text_field="body")
    assert ended.code == 0, ended.err
    assert "3 of 3 lines" in ended.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": "no/*.txt"}, "no file matches 'no/*.txt'"),
        ({"probe": True}, "--probe, --probe_train and --probe_dev go together"),
        (
            {"probe_train": "x", "probe_dev": "x"},
            "--probe, --probe_train and --probe_dev go together",
        ),
        ({"output_dir": "{tmp}/full"}, "did not write"),
        ({"output_dir": "{tmp}", "overwrite": True}, "contains the input"),
    ],
)
def test_refused(paths, tmp_path, changes, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "keep.txt").write_text("precious")
    changes = {
        name: value.format(tmp=tmp_path) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    ended = inspect(**{"vocab": paths["words"], "input": paths["text"]} | changes)
    assert ended.code == 1
    assert message in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\n1\t2\n", "has the columns a, b"),
        ("document\tlabel\n", "has no rows"),
        ("document\tlabel\n좋다\t2\n", "line 2 has the label '2'"),
        ("document\tlabel\n좋다\n", "line 2 has 1 columns"),
    ],
)
def test_a_bad_labelled_file_is_refused(write, text, message):
    with pytest.raises(UserError, match=message):
        probe.read_labelled(write("a.tsv", text))


def test_labelled_texts_are_read_without_quoting(write):
    path = write("a.tsv", 'id\tdocument\tlabel\n1\t"좋다\u2028끝\t1\n2\t\t0\n')
    assert probe.read_labelled(path) == (['"좋다\u2028끝', ""], [1, 0])


def test_paths_of_one_name_are_told_apart(tmp_path):
    names = {"a/v": 1, "b/v": 2}
    figures = {name: {"vocab_size": size} for name, size in names.items()}
    assert vocab_page.text_table(figures).splitlines() == [
        "                          a/v  b/v",
        "tokens in the vocabulary    1    2",
    ]
    assert os.sep in next(iter(names))
