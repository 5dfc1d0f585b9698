"""train_vocab as its users run it, with every flag."""

import hashlib
import json
import os
import pathlib
import shutil

import pytest

from common import manifest
from data_prep.vocab import alphabet, vocabulary

PARTICLES = ("에서", "는", "을", "까지", "에게")
NOUNS = ("학교", "사람", "영화", "바다", "노래", "친구", "기차", "구름")


def lines() -> list[str]:
    return [
        f"{noun}{particle} {other}{again} {i % 7}번 갔다 [PHONE]으로 전화"
        for i, noun in enumerate(NOUNS * 5)
        for particle in PARTICLES
        for other, again in zip(NOUNS[i % 5 :], PARTICLES, strict=False)
    ]


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> str:
    """What clean_corpus leaves, with a special token: two shards."""
    folder = tmp_path_factory.mktemp("clean")
    half = len(lines()) // 2
    entries = []
    for i, part in enumerate([lines()[:half], lines()[half:]]):
        name = f"corpus-{i:05d}.txt"
        (folder / name).write_text("\n\n".join(part) + "\n")
        entries.append(manifest.file_entry(str(folder), name, documents=len(part)))
    described = {"recipe": "default", "recipe_hash": "0", "files": entries}
    described["special_tokens"] = ["[PHONE]"]
    manifest.write(str(folder), "clean_corpus", described)
    return str(folder)


@pytest.fixture
def train(clean, run_stage, tmp_path):
    """train(flags...) -> (tokens, manifest)."""

    def run(name: str = "vocab", **options: object) -> tuple[list[str], dict]:
        folder = str(tmp_path / name)
        options = {"input_dir": clean, "vocab_size": 600, **options}
        code, log = run_stage("train_vocab", output_dir=folder, **options)
        assert code == 0, log
        tokens = vocabulary.read_tokens(os.path.join(folder, "vocab.txt"))
        return tokens, manifest.read(folder, "train_vocab")

    return run


def learned(tokens: list[str]) -> set[str]:
    return {token for token in tokens if len(token.removeprefix("##")) > 1}


def test_special_tokens_of_the_clean_text_and_the_flag(train, tmp_path):
    tokens, described = train(special_tokens="{laughing}", num_unused=20)
    assert tokens[:7] == [*vocabulary.SPECIAL_TOKENS, "[PHONE]", "{laughing}"]
    assert tokens[-20:] == [f"[unused{i}]" for i in range(20)]
    assert len(tokens) == described["vocab_size"] <= 600
    assert not {"PHONE", "PH", "##HONE"} & set(tokens)
    tokenizer = vocabulary.load_tokenizer(str(tmp_path / "vocab" / "vocab.txt"))
    found = tokenizer.encode("전화[PHONE]으로", add_special_tokens=False).tokens
    assert found == ["전화", "[PHONE]", "으로"]


def test_wordpiece_learns_whole_words(train):
    tokens, described = train()
    assert {"학교에서", "영화까지", "갔다"} <= learned(tokens)
    assert set(alphabet.REQUIRED) <= set(tokens)
    assert described["config"]["recipe"] == "wordpiece"
    assert described["counted"]["lines"] == len(lines())
    assert described["dropped_words"] == described["dropped_characters"] == 0


@pytest.mark.parametrize("analyzer", ["mecab", "kiwi"])
def test_mecab_learns_morphemes(train, tmp_path, analyzer):
    pytest.importorskip({"mecab": "mecab", "kiwi": "kiwipiepy"}[analyzer])
    tokens, described = train(recipe="mecab", analyzer=analyzer)
    assert {"학교", "##에서", "##까지"} <= learned(tokens)
    assert not [t for t in tokens if t.startswith("학교") and t != "학교"]
    assert described["distinct_morphemes"] < described["distinct_words"]
    tokenizer = vocabulary.load_tokenizer(str(tmp_path / "vocab" / "vocab.txt"))
    found = tokenizer.encode("친구까지", add_special_tokens=False).tokens
    assert found == ["친구", "##까지"]


def test_merge_adds_the_other_s_tokens(train, write):
    other = [*vocabulary.SPECIAL_TOKENS, "다른말", "영화까지", "##까지", "[unused7]"]
    path = write("other/vocab.txt", "".join(token + "\n" for token in other))
    own, _ = train("own")
    tokens, described = train(recipe="merge", merge_vocab=path)
    lacking = [token for token in other if token not in own]
    assert tokens == own + lacking
    sizes = {"own": len(own), "other": 9, "added": len(lacking), "all": len(tokens)}
    assert described["merge"] == sizes
    assert 1 < len(lacking) < 4


def test_any_workers_and_threads_give_the_same_bytes(train, tmp_path):
    train("one", num_workers=1)
    train("two", num_workers=2)
    for name in ("vocab.txt", "tokenizer.json", "manifest.json"):
        one, two = (tmp_path / run / name for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_sample_is_counted(train):
    _, one = train("one", sample_fraction=0.25, seed=1)
    assert one["counted"]["documents"] == 2 * round(len(lines()) / 2 * 0.25)
    _, none = train("none", sample_fraction=0.25, stratify_by="none")
    assert 0.15 < none["counted"]["documents"] / len(lines()) < 0.35
    assert one["config"]["seed"] == 1


def test_the_cap_on_words_is_reported(clean, run_stage, write, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    words = ["학교 학교"] * 5 + [f"나{i}" for i in range(1500)]
    text = "".join(f"{word}\n" for word in words)
    (folder / "corpus-00000.txt").write_text(text)
    entry = manifest.file_entry(str(folder), "corpus-00000.txt")
    described = {"recipe": "default", "recipe_hash": "0", "files": [entry]}
    manifest.write(str(folder), "clean_corpus", described)
    code, log = run_stage(
        "train_vocab",
        input_dir=folder,
        output_dir=tmp_path / "vocab",
        vocab_size=1000,
        max_words=1000,
    )
    assert code == 0, log
    assert "dropped 1001 rare words (1001 occurrences)" in log
    described = manifest.read(str(tmp_path / "vocab"), "train_vocab")
    assert described["dropped_words"] == described["dropped_occurrences"] == 1001
    assert described["corpus_characters"] == 2 + 1 + 10


def test_the_alphabet_limit_reports_what_it_drops(train):
    _, described = train(limit_alphabet=len(alphabet.REQUIRED) + 5)
    assert described["dropped_characters"] > 10
    assert 0.3 < described["dropped_characters_share"] < 0.8
    dropped = described["most_frequent_dropped_characters"]
    assert set(dropped) <= set("".join(lines()))


def test_lower_casing_is_recorded(train, tmp_path):
    tokens, _ = train(do_lower_case=True)
    assert "a" in tokens and "A" not in tokens
    options = vocabulary.read_options(str(tmp_path / "vocab" / "vocab.txt"))
    assert options == vocabulary.TokenizerOptions(True, False, ("[PHONE]",))


def test_accent_stripping_must_be_insisted_on(train, tmp_path):
    tokens, _ = train(strip_accents=True, allow_split_syllables=True)
    assert "\u1112" in "".join(tokens)
    tokenizer = vocabulary.load_tokenizer(str(tmp_path / "vocab" / "vocab.txt"))
    found = tokenizer.encode("학교", add_special_tokens=False)
    assert vocabulary.UNK_ID not in found.ids
    assert "학교" not in "".join(found.tokens)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strip_accents": True}, "splits every Hangul syllable into jamo"),
        ({"strip_accents": True, "do_lower_case": True}, "--allow_split_syllables"),
        ({"recipe": "merge"}, "--merge_vocab=FILE and --recipe=merge go together"),
        ({"merge_vocab": "x"}, "--merge_vocab=FILE and --recipe=merge go together"),
        ({"special_tokens": "BOS"}, "'BOS' is a plain word"),
        ({"special_tokens": "[SEP]"}, "'[SEP]' is already a special token"),
        ({"min_frequency": 10**6}, "leaves nothing to learn"),
        ({"vocab_size": 300}, "--vocab_size=300 leaves no room for a word"),
        ({"num_unused": 300}, "unused slots 300"),
        ({"sample_fraction": 1e-6}, "--sample_fraction leaves no document"),
    ],
)
def test_refused(clean, run_stage, tmp_path, options, message):
    defaults = {"input_dir": clean, "vocab_size": 600}
    folder = tmp_path / "vocab"
    code, log = run_stage("train_vocab", output_dir=folder, **{**defaults, **options})
    assert code == 1
    assert message in log
    assert "Traceback" not in log
    assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("[PAD]\n\n나\n", "line 2 is empty"), ("가\n나\n가\n", "line 3 repeats '가'")],
)
def test_a_bad_vocabulary_to_merge_is_refused(
    clean, run_stage, write, tmp_path, text, message
):
    options = {"recipe": "merge", "merge_vocab": write("other.txt", text)}
    folder = tmp_path / "out" / "vocab"
    code, log = run_stage("train_vocab", input_dir=clean, output_dir=folder, **options)
    assert code == 1
    assert message in log


def test_a_corpus_without_hangul_is_refused(run_stage, tmp_path):
    folder = tmp_path / "english"
    folder.mkdir()
    (folder / "corpus-00000.txt").write_text("hello world\n" * 9)
    entry = manifest.file_entry(str(folder), "corpus-00000.txt")
    described = {"recipe": "default", "recipe_hash": "0", "files": [entry]}
    manifest.write(str(folder), "clean_corpus", described)
    code, log = run_stage(
        "train_vocab", input_dir=folder, output_dir=tmp_path / "vocab"
    )
    assert code == 1
    assert "no Hangul in 9 lines" in log


def test_the_manifest_s_sha256_is_the_file_s(train, tmp_path):
    _, described = train(input_dir=_without_special_tokens(tmp_path))
    text = (tmp_path / "vocab" / "vocab.txt").read_bytes()
    assert described["vocab_sha256"] == hashlib.sha256(text).hexdigest()


def _without_special_tokens(tmp_path: pathlib.Path) -> str:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "corpus-00000.txt").write_text("학교에서 학교까지\n" * 9)
    entry = manifest.file_entry(str(folder), "corpus-00000.txt")
    described = {"recipe": "default", "recipe_hash": "0", "files": [entry]}
    text = json.dumps({"stage": "clean_corpus", **described})
    (folder / "manifest.json").write_text(text)
    return str(folder)


def test_another_vocabulary_to_merge_under_the_same_name_is_refused(
    train, clean, run_stage, write, tmp_path
):
    def other(word: str) -> str:
        tokens = [*vocabulary.SPECIAL_TOKENS, word]
        return write("other.txt", "".join(token + "\n" for token in tokens))

    options = {"recipe": "merge", "merge_vocab": other("다른말")}
    train(**options)
    train(**options)
    other("새로운말")
    options |= {"input_dir": clean, "vocab_size": 600, "output_dir": tmp_path / "vocab"}
    code, log = run_stage("train_vocab", **options)
    assert code == 1
    assert "merge_vocab_sha256 was" in log


def test_a_shard_that_was_edited_is_refused(clean, run_stage, tmp_path):
    copied = tmp_path / "clean"
    shutil.copytree(clean, copied)
    path = copied / "corpus-00001.txt"
    path.write_text(path.read_text().replace("영화", "연극"))
    options = {"input_dir": copied, "vocab_size": 600, "num_workers": 1}
    code, log = run_stage("train_vocab", output_dir=tmp_path / "vocab", **options)
    assert code == 1
    assert "corpus-00001.txt has changed since clean_corpus wrote it" in log
