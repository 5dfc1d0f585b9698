"""The single characters of a vocabulary: which are kept, and in which form.

A character is a token ("가") and, if it can follow another one in a word, also a
continuation ("##가"). A word with a character that has no token becomes [UNK] as a
whole.
"""

from collections import Counter
from collections.abc import Callable, Mapping

# Always kept: users write them even if the corpus does not.
JAMO = "".join(map(chr, range(ord("ㄱ"), ord("ㅣ") + 1)))
ASCII = "".join(map(chr, range(0x21, 0x7F)))
# The most frequent by the Unicode consortium's counts, and the selector that follows
# some of them; other emoji compete with the corpus' characters.
EMOJI = (
    "😂❤😍🤣😊🙏💕😭😘👍😅👏😁♥🔥💔💖💙😢🤔😆🙄💪😉☺👌🤗💜😔😎😇🌹🎉✨😱🙌😋💗😏🙂😄😀💯😡😳"
    "\ufe0f"
)
REQUIRED = JAMO + ASCII + EMOJI


class Alphabet:
    """The characters of the words seen, and which of them follow another one."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._inside: set[str] = set()

    def add(self, words: Mapping[str, int]) -> None:
        """Counts the characters of words, given the words' counts."""
        for word, count in words.items():
            for character in word:
                self.counts[character] += count
            self._inside.update(word[1:])

    def has_hangul(self) -> bool:
        return any(_is_hangul(character) for character in self.counts)

    def choose(self, limit: int, split: Callable[[str], list[str]]) -> list[str]:
        """The required characters, then the most frequent of the corpus up to `limit`.

        Ties are broken by code point. Required characters stay even beyond the limit.

        Args:
          limit: characters to keep.
          split: as from `vocabulary.word_splitter`; a required character that the
            tokenizer changes, such as a capital when lower-casing, is left out.
        """
        required = [c for c in REQUIRED if c in "".join(split(f"a{c}a"))]
        others = self._ranked_without(required)
        return required + others[: max(limit - len(required), 0)]

    def tokens(self, kept: list[str], split: Callable[[str], list[str]]) -> list[str]:
        """Single-character tokens: `kept`, and continuations of those inside words."""
        inside = self._inside.intersection(kept)
        inside.update(c for c in kept if c in REQUIRED and split(f"a{c}") == [f"a{c}"])
        return [*sorted(kept), *("##" + c for c in sorted(inside))]

    def dropped(self, kept: list[str]) -> dict[str, int]:
        """Counts of the characters not kept, most frequent first."""
        return {c: self.counts[c] for c in self._ranked_without(kept)}

    def _ranked_without(self, characters: list[str]) -> list[str]:
        others = set(self.counts).difference(characters)
        return sorted(others, key=lambda c: (-self.counts[c], c))


def _is_hangul(c: str) -> bool:
    """Syllables, compatibility jamo, and the jamo that syllables decompose into."""
    return "가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" or "\u1100" <= c <= "\u11ff"
