"""Tokenizers that records can be built with, and those they cannot."""

import json
import os
import pathlib

import pytest
from tokenizers import Tokenizer, models

from common import files, manifest
from common.errors import UserError
from data_prep.vocab import tokenizer_source, vocabulary

TOKENS = [*vocabulary.SPECIAL_TOKENS, *"가각한국ABab", "##국", "##b", "é", "漢", "."]
TEXT = "한국 가 ABab Ab é漢. [MASK]"


@pytest.fixture
def folder(tmp_path) -> str:
    """A vocabulary as train_vocab saves it, without its manifest."""
    folder = str(tmp_path / "vocab")
    os.mkdir(folder)
    vocabulary.save(folder, TOKENS)
    return folder


def edit(folder: str, change, name: str = "tokenizer.json") -> None:
    path = os.path.join(folder, name)
    content = files.read_json(path)
    change(content)
    files.write_json(path, content)


def config(folder: str, **settings) -> None:
    files.write_json(os.path.join(folder, "tokenizer_config.json"), settings)


def ids(source: tokenizer_source.TokenizerFiles, text: str = TEXT) -> list[int]:
    tokenizer = Tokenizer.from_str(source.tokenizer_json)
    return tokenizer.encode(text, add_special_tokens=False).ids


def finish(folder: str) -> None:
    """Writes train_vocab's manifest."""
    names = (vocabulary.VOCAB_FILE, vocabulary.TOKENIZER_FILE)
    sha256 = vocabulary.fingerprint(os.path.join(folder, vocabulary.VOCAB_FILE))
    entries = [manifest.file_entry(folder, name) for name in names]
    manifest.write(folder, "train_vocab", {"vocab_sha256": sha256, "files": entries})


def test_train_vocab_folder(folder):
    finish(folder)
    source = tokenizer_source.load(folder)
    vocab_file = os.path.join(folder, vocabulary.VOCAB_FILE)
    assert source.vocab_text == files.read_text(vocab_file)
    assert source.vocab_sha256 == vocabulary.fingerprint(vocab_file)
    tokenizer = vocabulary.load_tokenizer(vocab_file)
    assert ids(source) == tokenizer.encode(TEXT, add_special_tokens=False).ids


@pytest.mark.parametrize("name", [vocabulary.VOCAB_FILE, vocabulary.TOKENIZER_FILE])
def test_changed_train_vocab_folder_is_refused(folder, name):
    finish(folder)
    path = pathlib.Path(folder, name)
    path.write_text(path.read_text().replace("각", "갂"))  # as many bytes
    with pytest.raises(UserError, match=f"{name} has changed since train_vocab"):
        tokenizer_source.load(folder)


def test_unfinished_train_vocab_folder_is_refused(folder):
    os.mkdir(os.path.join(folder, "_progress"))
    with pytest.raises(UserError, match="train_vocab did not finish"):
        tokenizer_source.load(folder)


def test_bare_vocab_is_cased(folder):
    os.remove(os.path.join(folder, vocabulary.TOKENIZER_FILE))
    sources = [
        tokenizer_source.load(path)
        for path in (folder, os.path.join(folder, vocabulary.VOCAB_FILE))
    ]
    assert sources[0] == sources[1]
    assert sources[0].tokens == tuple(TOKENS)
    assert ids(sources[0], "Ab ab") == [
        TOKENS.index(t) for t in ("A", "##b", "a", "##b")
    ]


CONFIGS = [
    {"tokenizer_class": "BertTokenizer", "do_lower_case": False},
    {"tokenizer_class": "ElectraTokenizerFast", "do_lower_case": False},
    {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "strip_accents": False,
    },
    {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": False,
        "tokenize_chinese_chars": False,
    },
    {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False},
]


@pytest.mark.parametrize("settings", CONFIGS)
@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("name", [vocabulary.VOCAB_FILE, vocabulary.TOKENIZER_FILE])
def test_same_ids_as_transformers(folder, settings, lowercase, name):
    transformers = pytest.importorskip("transformers", minversion="5.0")
    edit(folder, lambda c: c["normalizer"].update(lowercase=lowercase))
    only = "PreTrainedTokenizerFast" in settings.values()
    if name == vocabulary.VOCAB_FILE and only:
        pytest.skip("needs a tokenizer.json")
    if name == vocabulary.VOCAB_FILE:
        os.remove(os.path.join(folder, vocabulary.TOKENIZER_FILE))
    config(folder, **settings, unk_token="[UNK]", mask_token="[MASK]")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    expected = theirs(TEXT, add_special_tokens=False)["input_ids"]
    assert ids(tokenizer_source.load(folder)) == expected


def test_truncation_of_the_file_is_not_applied(folder):
    def change(content):
        content["truncation"] = {
            "direction": "Right",
            "max_length": 2,
            "strategy": "LongestFirst",
            "stride": 0,
        }

    edit(folder, change)
    assert len(ids(tokenizer_source.load(folder))) > 2


def test_added_tokens_count(folder):
    def change(content):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        token = {"id": len(TOKENS), "content": "[URL]", "special": True}
        content["added_tokens"].append(token | flags)

    edit(folder, change)
    source = tokenizer_source.load(folder)
    assert source.tokens == (*TOKENS, "[URL]")
    assert ids(source, "한[URL]") == [TOKENS.index("한"), len(TOKENS)]


@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True, "strip_accents": True},
        {"strip_accents": True},
        {"tokenizer_class": "BertTokenizer"},
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True},
    ],
)
def test_tokenizer_that_takes_hangul_apart_is_refused(folder, settings):
    config(folder, **settings)
    with pytest.raises(UserError, match="splits Hangul syllables.*strip_accents"):
        tokenizer_source.load(folder)


def test_special_tokens_elsewhere_are_refused(folder):
    moved = [TOKENS[1], TOKENS[0], *TOKENS[2:]]

    def change(content):
        content["model"]["vocab"] = {token: i for i, token in enumerate(moved)}
        for token in content["added_tokens"]:
            token["id"] = moved.index(token["content"])

    edit(folder, change)
    with pytest.raises(
        UserError, match=r"ids 0 to 4 are \[UNK\] \[PAD\].*needs \[PAD\]"
    ):
        tokenizer_source.load(folder)


def test_gap_in_the_ids_is_refused(folder):
    edit(folder, lambda c: c["model"]["vocab"].update({"힣": 99}))
    with pytest.raises(UserError, match="gaps"):
        tokenizer_source.load(folder)


def test_other_models_are_refused(folder):
    tokenizer = Tokenizer(models.BPE())
    path = os.path.join(folder, vocabulary.TOKENIZER_FILE)
    files.write_text(path, tokenizer.to_str())
    with pytest.raises(UserError, match="is BPE, only WordPiece"):
        tokenizer_source.load(folder)


def test_folder_without_a_tokenizer_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(UserError, match="neither a manifest.json.*or vocab.txt"):
            tokenizer_source.load(str(path))


def test_damaged_file_is_refused(folder):
    path = pathlib.Path(folder, vocabulary.TOKENIZER_FILE)
    path.write_text(path.read_text()[:50])
    with pytest.raises(UserError, match="tokenizer.json is not JSON"):
        tokenizer_source.load(folder)


def test_fingerprints_tell_tokenizers_with_one_vocabulary_apart(folder):
    cased = tokenizer_source.load(folder)
    config(folder, do_lower_case=True, strip_accents=False)
    lower = tokenizer_source.load(folder)
    assert cased.vocab_sha256 == lower.vocab_sha256
    assert cased.tokenizer_sha256 != lower.tokenizer_sha256
    assert json.loads(lower.tokenizer_json)["normalizer"]["lowercase"]


def test_tokens_are_read_wherever_the_special_ones_are(folder, tmp_path):
    assert tokenizer_source.read_tokens(folder) == tuple(TOKENS)
    os.remove(os.path.join(folder, "tokenizer.json"))
    moved = tuple(TOKENS[5:] + TOKENS[:5])
    vocab_file = os.path.join(folder, "vocab.txt")
    files.write_text(vocab_file, "".join(token + "\n" for token in moved))
    assert tokenizer_source.read_tokens(folder) == moved
    assert tokenizer_source.read_tokens(vocab_file) == moved
    with pytest.raises(UserError, match="neither tokenizer.json nor vocab.txt"):
        tokenizer_source.read_tokens(str(tmp_path / "nothing"))


def test_a_vocabulary_is_read_with_the_tokenizer_beside_it(folder):
    edit(folder, lambda c: c["normalizer"].update(lowercase=True))
    manifest.write(folder, "build_tfrecords", {"files": []})
    vocab_file = os.path.join(folder, vocabulary.VOCAB_FILE)
    beside = tokenizer_source.load_beside(vocab_file)
    assert ids(beside) == ids(beside, TEXT.lower().replace("[mask]", "[MASK]"))
    os.remove(os.path.join(folder, vocabulary.TOKENIZER_FILE))
    alone = tokenizer_source.load_beside(vocab_file)
    assert alone.tokens == beside.tokens
    assert ids(alone) != ids(beside)


def test_a_vocabulary_beside_another_tokenizer_is_refused(folder):
    vocab_file = os.path.join(folder, vocabulary.VOCAB_FILE)
    files.write_text(vocab_file, files.read_text(vocab_file) + "다\n")
    with pytest.raises(UserError, match="beside it contain different tokens"):
        tokenizer_source.load_beside(vocab_file)
