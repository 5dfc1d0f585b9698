"""WordPiece vocabularies: training, reading, and the one tokenizer every stage uses.

The tokenizer is cased and strips no accents: both would split Hangul syllables into
jamo."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import BertWordPieceTokenizer

from data_prep import files, manifest
from data_prep.cli import UserError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(5)
VOCAB_FILE = "vocab.txt"
TOKENIZER_FILE = "tokenizer.json"


class Alphabet:
    """The characters of a corpus, and which of them are neighbours."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._neighbours: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, line: str) -> None:
        self._counts.update(line.replace(" ", ""))
        self._neighbours.update(zip(line, line[1:], strict=False))

    def most_frequent(self, limit: int) -> list[str]:
        """Characters by falling count, equal counts by code point.

        Without those that the tokenizer drops, such as the joiners of emoji.
        """
        seen = [c for c in self._counts if _words(f"a{c}a") != ["aa"]]
        return sorted(seen, key=lambda c: (-self._counts[c], c))[:limit]

    def inside_words(self) -> set[str]:
        """Characters that follow another one of the same word."""
        joined = {c for c in self._counts if len(_words(f"a{c}a")) == 1}
        return {c for before, c in self._neighbours if {before, c} <= joined}


def train(
    batches: Iterable[list[str]],
    alphabet: Alphabet,
    vocab_size: int,
    limit_alphabet: int,
    min_frequency: int,
) -> list[str]:
    """WordPiece tokens, special tokens first, at most `vocab_size` if possible.

    The trainer alone breaks ties by the order of a hash table, which differs from run
    to run; naming all single-character tokens beforehand leaves it no choice.

    Args:
      batches: lists of lines.
      alphabet: has seen these lines.
      vocab_size: wanted size; fewer come out of a small corpus.
      limit_alphabet: characters kept, the most frequent first.
      min_frequency: pairs seen less often are not merged.
    """
    kept = alphabet.most_frequent(limit_alphabet)
    inside = sorted(alphabet.inside_words().intersection(kept))
    tokenizer = _wordpiece(None)
    tokenizer.train_from_iterator(
        batches,
        vocab_size=vocab_size,
        limit_alphabet=len(kept),
        initial_alphabet=kept,
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *sorted(kept), *("##" + c for c in inside)],
        show_progress=False,
    )
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def check_size(tokens: list[str], vocab_size: int) -> None:
    """Refuses a vocabulary whose alphabet alone fills it.

    Raises:
      UserError: single characters and special tokens take all of `vocab_size`.
    """
    alphabet = sum(len(token.removeprefix("##")) == 1 for token in tokens)
    needed = alphabet + len(SPECIAL_TOKENS)
    if needed >= vocab_size:
        raise UserError(
            f"--vocab_size={vocab_size} leaves no room for a word: the alphabet takes "
            f"{alphabet} tokens (characters, and characters inside words) and the "
            f"special tokens {len(SPECIAL_TOKENS)}. Say at "
            f"least --vocab_size={2 * needed}, or lower --limit_alphabet"
        )


def read(vocab_file: str) -> dict[str, int]:
    """Token -> id of a vocab.txt.

    Raises:
      UserError: an empty or repeated line, or special tokens not at 0 to 4.
    """
    lines = files.read_text(vocab_file).split("\n")
    tokens = lines[:-1] if lines[-1] == "" else lines
    vocab: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        if not token.strip() or token in vocab:
            what = f"repeats {token!r}" if token.strip() else "is empty"
            raise UserError(
                f"{vocab_file}: line {number} {what}: each line is one token"
            )
        vocab[token] = number - 1
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise UserError(
            f"{vocab_file} begins with {' '.join(tokens[:5])}; its first five lines "
            f"must be {' '.join(SPECIAL_TOKENS)}"
        )
    return vocab


def load_tokenizer(vocab_file: str) -> BertWordPieceTokenizer:
    """The tokenizer of a vocab.txt, as it is used in training and exported."""
    return _wordpiece(read(vocab_file))


def _wordpiece(vocab: dict[str, int] | None) -> BertWordPieceTokenizer:
    return BertWordPieceTokenizer(vocab, lowercase=False, strip_accents=False)


def _words(text: str) -> list[str]:
    """What the tokenizer takes for words, and cuts into tokens one by one."""
    tokenizer = _wordpiece(None)
    normal = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def fingerprint(vocab_file: str) -> str:
    """SHA-256 of a vocab.txt: what records, checkpoints and exports agree on."""
    return hashlib.sha256(files.read_text(vocab_file).encode("utf-8")).hexdigest()


def save(directory: str, tokens: list[str]) -> list[dict[str, Any]]:
    """Writes vocab.txt and tokenizer.json; returns their manifest entries."""
    vocab_file = os.path.join(directory, VOCAB_FILE)
    files.write_text(vocab_file, "".join(token + "\n" for token in tokens))
    tokenizer = load_tokenizer(vocab_file)
    files.write_text(os.path.join(directory, TOKENIZER_FILE), tokenizer.to_str())
    names = (VOCAB_FILE, TOKENIZER_FILE)
    return [manifest.file_entry(directory, name) for name in names]


def batches(lines: Iterator[str], size: int = 10_000) -> Iterator[list[str]]:
    """Lists of `size` items, the last one shorter."""
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
