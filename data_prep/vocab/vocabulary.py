"""WordPiece vocabularies: reading, writing, and the one tokenizer every stage uses.

The tokenizer is cased and keeps accents unless the tokenizer.json beside the vocab.txt
differs: stripping accents needs Unicode's decomposition, which splits Hangul syllables
into jamo.
"""

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable
from typing import Any

from tokenizers import BertWordPieceTokenizer

from common import files, manifest
from common.errors import UserError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(5)
VOCAB_FILE = "vocab.txt"
TOKENIZER_FILE = "tokenizer.json"
# Words of more characters become [UNK]; the default of `tokenizers` and of BERT.
MAX_WORD_LENGTH = 100

_HANGUL_SYLLABLES = re.compile("[가-힣]+")


@dataclasses.dataclass(frozen=True)
class TokenizerOptions:
    """What tokenizer.json records beyond vocab.txt.

    special_tokens: never split, besides the usual five.
    """

    lowercase: bool = False
    strip_accents: bool = False
    special_tokens: tuple[str, ...] = ()


def read_tokens(vocab_file: str) -> list[str]:
    """Lines of a vocab.txt.

    Raises:
      UserError: no lines, an empty or repeated one, or not UTF-8.
    """
    try:
        lines = files.read_text(vocab_file).split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{vocab_file} is not UTF-8, or was cut short: copy it again"
        ) from error
    tokens = lines[:-1] if lines[-1] == "" else lines
    if not tokens:
        raise UserError(f"{vocab_file} is empty: a line per token is needed")
    seen: set[str] = set()
    for number, token in enumerate(tokens, 1):
        if not token.strip() or token in seen:
            what = f"repeats {token!r}" if token.strip() else "is empty"
            raise UserError(
                f"{vocab_file}: line {number} {what}: a line per token is needed"
            )
        seen.add(token)
    return tokens


def read(vocab_file: str) -> dict[str, int]:
    """Token -> id of a vocab.txt.

    Raises:
      UserError: an empty or repeated line, or special tokens not at 0 to 4.
    """
    tokens = read_tokens(vocab_file)
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise UserError(
            f"{vocab_file} begins with {' '.join(tokens[:5])}; its first five lines "
            f"must be {' '.join(SPECIAL_TOKENS)}"
        )
    return {token: i for i, token in enumerate(tokens)}


def read_options(vocab_file: str) -> TokenizerOptions:
    """The options in the tokenizer.json beside a vocab.txt; the defaults without one.

    Raises:
      UserError: the tokenizer.json is not as `save` writes it.
    """
    saved = _saved_tokenizer(vocab_file)
    return TokenizerOptions() if saved is None else saved[0]


def _saved_tokenizer(vocab_file: str) -> tuple[TokenizerOptions, dict[str, int]] | None:
    """The options and the tokens in the tokenizer.json beside a vocab.txt."""
    path = os.path.join(os.path.dirname(vocab_file), TOKENIZER_FILE)
    if not files.exists(path):
        return None
    try:
        saved = files.read_json(path)
        normalizer = saved["normalizer"]
        names = [token["content"] for token in saved["added_tokens"]]
        options = TokenizerOptions(
            bool(normalizer["lowercase"]),
            bool(normalizer["strip_accents"]),
            tuple(name for name in names if name not in SPECIAL_TOKENS),
        )
        return options, saved["model"]["vocab"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not in train_vocab's format ({error!r}): remove it to use "
            f"{VOCAB_FILE} alone"
        ) from error


def load_tokenizer(vocab_file: str) -> BertWordPieceTokenizer:
    """The tokenizer of a vocab.txt, as used in training and exported.

    Raises:
      UserError: a malformed vocab.txt, or a tokenizer.json beside it with other tokens.
    """
    vocab = read(vocab_file)
    options, saved = _saved_tokenizer(vocab_file) or (TokenizerOptions(), vocab)
    if saved != vocab:
        raise UserError(
            f"{vocab_file} and the {TOKENIZER_FILE} beside it contain different "
            f"tokens: copy both from one folder, or remove {TOKENIZER_FILE}"
        )
    return wordpiece(vocab, options)


def wordpiece(
    vocab: dict[str, int] | None, options: TokenizerOptions = TokenizerOptions()
) -> BertWordPieceTokenizer:
    """A cased BERT tokenizer, unless the options differ."""
    tokenizer = BertWordPieceTokenizer(
        vocab, lowercase=options.lowercase, strip_accents=options.strip_accents
    )
    tokenizer.add_special_tokens(list(options.special_tokens))
    return tokenizer


def word_splitter(options: TokenizerOptions) -> Callable[[str], list[str]]:
    """A function text -> words as the tokenizer sees them before it splits each.

    Special tokens are left out: no piece of them must be learned.
    """
    tokenizer = wordpiece(None, options)
    normalize = tokenizer.normalizer.normalize_str
    pre_tokenize = tokenizer.pre_tokenizer.pre_tokenize_str
    special = [re.escape(token) for token in (*SPECIAL_TOKENS, *options.special_tokens)]
    cut = re.compile("|".join(sorted(special, key=len, reverse=True))).split

    def split(text: str) -> list[str]:
        if not options.strip_accents and _HANGUL_SYLLABLES.fullmatch(text):
            return [text]  # Four in five words; the general way takes ten times longer.
        parts = (pre_tokenize(normalize(part)) for part in cut(text) if part)
        return [word for words in parts for word, _ in words]

    return split


def check_special_tokens(tokens: tuple[str, ...]) -> None:
    """Refuses extra special tokens that could be confused with ordinary text.

    Raises:
      UserError: a token is empty, repeated, one of the five, contains a space, or is a
        plain word to the tokenizer.
    """
    split = word_splitter(TokenizerOptions())
    for i, token in enumerate(tokens):
        if not token or any(c.isspace() for c in token):
            problem = "is empty or contains a space"
        elif token in SPECIAL_TOKENS or token in tokens[:i]:
            problem = "is already a special token"
        elif len(split(token)) < 2:
            problem = "is a plain word: put it in brackets, like [PHONE] or {laughing}"
        else:
            continue
        raise UserError(f"--special_tokens: {token!r} {problem}")


def fingerprint(vocab_file: str) -> str:
    """SHA-256 of a vocab.txt, by which records, checkpoints and exports match."""
    return hashlib.sha256(files.read_text(vocab_file).encode("utf-8")).hexdigest()


def paths(directory: str) -> list[str]:
    """Of the files that `save` writes."""
    return [os.path.join(directory, name) for name in (VOCAB_FILE, TOKENIZER_FILE)]


def save(
    directory: str, tokens: list[str], options: TokenizerOptions = TokenizerOptions()
) -> list[dict[str, Any]]:
    """Writes vocab.txt and tokenizer.json; returns their manifest entries."""
    text = "".join(token + "\n" for token in tokens)
    tokenizer = wordpiece({token: i for i, token in enumerate(tokens)}, options)
    return write_files(directory, text, tokenizer.to_str())


def write_files(
    directory: str, vocab_text: str, tokenizer_json: str
) -> list[dict[str, Any]]:
    """Writes these as vocab.txt and tokenizer.json; returns their manifest entries."""
    contents = {VOCAB_FILE: vocab_text, TOKENIZER_FILE: tokenizer_json}
    for name, content in contents.items():
        files.write_text(os.path.join(directory, name), content)
    return [manifest.file_entry(directory, name) for name in contents]
