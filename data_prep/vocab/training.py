"""Learns WordPiece tokens from word counts.

The `tokenizers` library does the learning: pairs of neighbouring tokens are merged, the
most frequent first, as in byte-pair encoding (Sennrich et al. 2016).
"""

import dataclasses
from collections.abc import Iterator, Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from common.errors import UserError
from data_prep.vocab import vocabulary

PREFIX = "##"
# Marks a later morpheme of a word. It is in no alphabet, so the trainer skips it but
# takes the next character as one inside a word: "##에서" is learned as "##에서".
_MARK = "\x01"
_TEXT_LENGTH = 1 << 16


@dataclasses.dataclass(frozen=True)
class Layout:
    """The tokens of a vocabulary that are not learned.

    The five special tokens come first, then the extra ones, then single characters;
    [unused] slots come last, where KoELECTRA added its 200.

    characters: with and without "##".
    """

    special_tokens: tuple[str, ...]
    characters: list[str]
    num_unused: int = 0

    def first(self) -> list[str]:
        return [*vocabulary.SPECIAL_TOKENS, *self.special_tokens, *self.characters]

    def last(self) -> list[str]:
        return [f"[unused{i}]" for i in range(self.num_unused)]

    def check_room(self, vocab_size: int) -> None:
        """Refuses a size that these tokens fill completely.

        Raises:
          UserError: no learned token would fit.
        """
        needed = len(self.first()) + self.num_unused
        if needed >= vocab_size:
            special = len(vocabulary.SPECIAL_TOKENS) + len(self.special_tokens)
            raise UserError(
                f"--vocab_size={vocab_size} leaves no room for a word: the alphabet "
                f"takes {len(self.characters)} tokens (characters, and characters "
                f"inside words), special tokens {special} and unused slots "
                f"{self.num_unused}. Pass at least --vocab_size={2 * needed}, or a "
                "smaller --limit_alphabet"
            )


def learn(
    words: Mapping[str, int], layout: Layout, vocab_size: int, min_frequency: int
) -> list[str]:
    """Tokens in the order of their ids.

    On its own, the trainer breaks ties by the order of a hash table, which differs from
    run to run; it gets all single-character tokens in advance to leave it no choice.

    Args:
      words: counts; a later morpheme of a word begins with "##".
      layout: the tokens that are not learned.
      vocab_size: wanted size; a small corpus gives fewer tokens.
      min_frequency: pairs seen less often are not merged.

    Raises:
      UserError: no room for a piece, or no pair is frequent enough.
    """
    layout.check_room(vocab_size)
    alphabet = [token for token in layout.characters if len(token) == 1]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size - layout.num_unused,
        min_frequency=min_frequency,
        special_tokens=layout.first(),
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        continuing_subword_prefix=PREFIX,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(words), trainer)
    ids = tokenizer.get_vocab()
    if len(ids) == len(layout.first()):
        raise UserError(
            f"--min_frequency={min_frequency} leaves nothing to learn: no two "
            "characters occur together that often. Lower it, or use more text"
        )
    return sorted(ids, key=ids.__getitem__) + layout.last()


def _texts(words: Mapping[str, int]) -> Iterator[str]:
    """Every word as often as it occurs, in texts of bounded length.

    The trainer accepts no counts; it recounts these in a table of distinct words.
    """
    text: list[str] = []
    length = 0
    for word in sorted(words):
        left = words[word]
        marked = _MARK + word[len(PREFIX) :] if _is_later(word) else word
        while left:
            repeats = min(left, _TEXT_LENGTH // (len(marked) + 1) + 1)
            text.append((marked + " ") * repeats)
            left -= repeats
            length += len(text[-1])
            if length > _TEXT_LENGTH:
                yield "".join(text)
                text, length = [], 0
    yield "".join(text)


def _is_later(word: str) -> bool:
    # The tokenizer splits at "#", so no longer word of a text begins like this.
    return word.startswith(PREFIX) and len(word) > len(PREFIX)
