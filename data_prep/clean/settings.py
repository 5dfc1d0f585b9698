"""What decides the clean text: the flags of clean_corpus, and the recipe they make."""

import contextlib
import dataclasses
import unicodedata
from importlib import metadata

from common.cli import flag
from common.errors import UserError
from data_prep.raw.records import ReadSettings
from data_prep.rules.emoji_table import VERSION as EMOJI_VERSION
from data_prep.rules.recipes import RECIPES, Recipe, get_recipe, with_options

# Kinds of personal data, and the tokens that replace them by default.
PII_TOKENS = {
    "phone": "[PHONE]",
    "email": "[EMAIL]",
    "name": "[PERSON]",
    "resident_number": "[RRN]",
    "account": "[ACCOUNT]",
}


@dataclasses.dataclass(frozen=True)
class CleanSettings(ReadSettings):
    """Reading and cleaning: what decides the clean text."""

    recipe: str = flag("default", f"Cleaning recipe: {', '.join(RECIPES)}.")
    mask_pii: tuple[str, ...] = flag(
        (),
        "Personal data to replace with special tokens: all, or some of "
        f"{', '.join(PII_TOKENS)}; phone:[TEL] chooses another token.",
    )
    min_characters: int = flag(
        0, "Minimum characters of a clean line (0: the recipe's value).", at_least=0
    )
    split_sentences: bool = flag(False, "Split clean lines into sentences (kiwipiepy).")
    exclude: tuple[str, ...] = flag(
        (),
        "Evaluation files: drop lines that equal or contain one of their texts.",
        reads=True,
    )
    exclude_min_characters: int = flag(
        15,
        "Evaluation texts with fewer letters and digits drop only lines that equal "
        "them.",
        at_least=1,
    )
    deduplicate: str = flag(
        "line",
        "Drop lines, or whole documents, that repeat an earlier one after cleaning.",
        choices=("line", "document", "none"),
    )
    near_duplicates: float = flag(
        0.0,
        "Drop documents whose Jaccard similarity (character 5-grams) to an earlier one "
        "is about this or more, such as 0.8 (0: keep them).",
        at_least=0.0,
        at_most=1.0,
    )
    shard_mib: int = flag(16, "MiB of raw text per shard.", at_least=1)
    write_rejects: bool = flag(
        False, "Write dropped lines and their reasons to --output_dir's folder rejects."
    )

    def make_recipe(self) -> Recipe:
        """The chosen recipe, as changed by other settings.

        Raises:
          UserError: an unknown recipe or kind of personal data.
        """
        shortest = self.min_characters
        changes = {"min_characters": shortest} if shortest else {}
        tokens = _pii_tokens(self.mask_pii)
        return with_options(get_recipe(self.recipe), mask_pii=tokens, **changes)

    def versions(self) -> dict[str, str]:
        """The versions of what decides the text and may change beside this project."""
        rules = dict(self.make_recipe().rules)
        needed = {
            "soynlp": "repeat_normalize" in rules,
            "kiwipiepy": self.split_sentences,
            "kiwipiepy_model": self.split_sentences,
            "rensa": self.near_duplicates,
        }
        versions = {"unicode": unicodedata.unidata_version, "emoji": EMOJI_VERSION}
        for package in filter(needed.get, needed):
            with contextlib.suppress(metadata.PackageNotFoundError):  # refused later
                versions[package] = metadata.version(package)
        return versions


def _pii_tokens(kinds: tuple[str, ...]) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for item in kinds:
        kind, _, token = item.partition(":")
        if kind not in (*PII_TOKENS, "all"):
            raise UserError(
                f"--mask_pii={item}: choose all, or some of {', '.join(PII_TOKENS)}"
            )
        tokens |= PII_TOKENS if kind == "all" else {kind: token or PII_TOKENS[kind]}
    return tokens
