"""The tokenizer at --vocab_dir: one of train_vocab, or a published one."""

import dataclasses
import hashlib
import json
import os
from typing import Any

from tokenizers import Tokenizer

from common import files, manifest, own_files
from common.errors import UserError
from data_prep.vocab import vocabulary
from data_prep.vocab.vocabulary import SPECIAL_TOKENS, TOKENIZER_FILE, VOCAB_FILE

_CONFIG_FILE = "tokenizer_config.json"
# Classes that transformers 5 builds from their settings, ignoring tokenizer.json.
_REBUILT = ("BertTokenizer", "ElectraTokenizer", "DistilBertTokenizer")

_BERT_NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}


@dataclasses.dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer for building records, as the contents of its files.

    Attributes:
      tokenizer_json: the content of tokenizer.json.
      tokens: by id; the first five are the special tokens.
    """

    tokenizer_json: str
    tokens: tuple[str, ...]

    @property
    def vocab_text(self) -> str:
        """The content of vocab.txt."""
        return "".join(token + "\n" for token in self.tokens)

    @property
    def vocab_sha256(self) -> str:
        """Equal to `vocabulary.fingerprint` of that file."""
        return hashlib.sha256(self.vocab_text.encode("utf-8")).hexdigest()

    @property
    def tokenizer_sha256(self) -> str:
        return hashlib.sha256(self.tokenizer_json.encode("utf-8")).hexdigest()


def load(path: str) -> TokenizerFiles:
    """Reads a tokenizer.

    Args:
      path: a folder made by train_vocab; a folder of a Hugging Face WordPiece
        tokenizer (tokenizer.json or vocab.txt, overridden by tokenizer_config.json if
        there is one, as in transformers 5); or a vocab.txt, which is taken as cased.

    Raises:
      UserError: no such tokenizer, or one unsuitable for Korean or for the trainer.
    """
    if files.exists(path) and not files.isdir(path):
        return _checked(path, _from_vocab_file(path))
    marks = (manifest.NAME, own_files.PROGRESS)  # of a stage, finished or not
    if any(files.exists(os.path.join(path, name)) for name in marks):
        _check_folder(path)
    return _checked(path, _from_folder(path))


def read_tokens(path: str) -> tuple[str, ...]:
    """The tokens of a tokenizer by id, wherever its special tokens are.

    Args:
      path: a vocab.txt, or a folder with tokenizer.json or vocab.txt.

    Raises:
      UserError: neither exists, or it is malformed.
    """
    tokenizer_file = os.path.join(path, TOKENIZER_FILE)
    if files.exists(tokenizer_file):
        description = json.dumps(_read_json(tokenizer_file))
        return _tokens_by_id(path, Tokenizer.from_str(description))
    vocab_file = os.path.join(path, VOCAB_FILE) if files.isdir(path) else path
    if not files.exists(vocab_file):
        raise UserError(
            f"{path}: the token ids are unknown, as there is neither {TOKENIZER_FILE} "
            f"nor {VOCAB_FILE}"
        )
    return tuple(vocabulary.read_tokens(vocab_file))


def _tokens_by_id(path: str, tokenizer: Tokenizer) -> tuple[str, ...]:
    ids = tokenizer.get_vocab(with_added_tokens=True)
    tokens = tuple(sorted(ids, key=ids.__getitem__))
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise UserError(f"{path}: the token ids have gaps or repetitions")
    return tokens


def load_beside(vocab_file: str) -> TokenizerFiles:
    """The tokenizer of a vocab.txt and of the tokenizer.json beside it, if any.

    The folder may be that of a stage, a run or a published model.

    Raises:
      UserError: they differ, or are unsuitable for Korean or for the trainer.
    """
    folder = os.path.dirname(vocab_file) or "."
    if not files.exists(os.path.join(folder, TOKENIZER_FILE)):
        return load(vocab_file)
    source = _checked(folder, _from_folder(folder))
    if list(source.tokens) != vocabulary.read_tokens(vocab_file):
        raise UserError(
            f"{vocab_file} and the {TOKENIZER_FILE} beside it contain different "
            f"tokens: copy both from one folder, or remove {TOKENIZER_FILE}"
        )
    return source


def _check_folder(path: str) -> None:
    """Refuses a folder of train_vocab whose tokenizer has changed."""
    for entry in manifest.read(path, "train_vocab")["files"]:
        if manifest.file_entry(path, entry["name"]) != entry:
            name = os.path.join(path, entry["name"])
            raise UserError(f"{name} has changed since train_vocab wrote it")


def _from_vocab_file(path: str) -> dict[str, Any]:
    return json.loads(vocabulary.load_tokenizer(path).to_str())


def _from_folder(path: str) -> dict[str, Any]:
    """The content of a folder's tokenizer.json, or of the one it should have."""
    tokenizer_file = os.path.join(path, TOKENIZER_FILE)
    if files.exists(tokenizer_file):
        description = _read_json(tokenizer_file)
    elif files.exists(os.path.join(path, VOCAB_FILE)):
        description = _from_vocab_file(os.path.join(path, VOCAB_FILE))
    else:
        raise UserError(
            f"--vocab_dir={path} has neither a {manifest.NAME} (of train_vocab) nor a "
            f"{TOKENIZER_FILE} or {VOCAB_FILE} (of a published tokenizer)"
        )
    config_file = os.path.join(path, _CONFIG_FILE)
    settings = _read_json(config_file) if files.exists(config_file) else {}
    return _with_settings(description, settings)


def _read_json(path: str) -> dict[str, Any]:
    try:
        return files.read_json(path)
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): copy it again") from error


def _with_settings(
    description: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Applies a tokenizer_config.json as transformers 5 does."""
    names = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    changes = {names[key]: settings[key] for key in names if key in settings}
    kind = settings.get("tokenizer_class", "").removesuffix("Fast")
    normalizer = description["normalizer"] or {}
    if kind in _REBUILT:
        normalizer = {**_BERT_NORMALIZER, **changes}
        description = {**description, "pre_tokenizer": {"type": "BertPreTokenizer"}}
    elif not kind and normalizer.get("type") == "BertNormalizer":
        normalizer = {**normalizer, **changes}
    # Files often truncate and pad to the 512 tokens of the model they were made for.
    whole_lines = {"truncation": None, "padding": None}
    return {**description, "normalizer": normalizer or None, **whole_lines}


def _checked(path: str, description: dict[str, Any]) -> TokenizerFiles:
    kind = description["model"].get("type")
    if kind != "WordPiece":
        raise UserError(f"{path}: the tokenizer is {kind}, only WordPiece is supported")
    tokenizer = Tokenizer.from_str(json.dumps(description))
    if tokenizer.normalizer and tokenizer.normalizer.normalize_str("한글") != "한글":
        raise UserError(
            f"{path}: the tokenizer strips accents, which splits Hangul syllables (as "
            "lower-casing BERT tokenizers do), so its model is probably not Korean. If "
            f'it is, add "strip_accents": false or "do_lower_case": false to '
            f"{_CONFIG_FILE}"
        )
    tokens = _tokens_by_id(path, tokenizer)
    if tokens[:5] != SPECIAL_TOKENS:
        raise UserError(
            f"{path}: ids 0 to 4 are {' '.join(tokens[:5])}; the trainer needs "
            f"{' '.join(SPECIAL_TOKENS)}. Move them there in a copy of the vocabulary, "
            "or train one with data_prep.train_vocab"
        )
    return TokenizerFiles(tokenizer.to_str(), tokens)
