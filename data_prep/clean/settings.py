"""What decides the clean text, and where a run keeps its intermediate files."""

import dataclasses
import os
from typing import Any

from common import files
from common.cli import UserError, flag
from data_prep.raw.records import ReadSettings
from data_prep.rules.recipes import RECIPES, Recipe, get_recipe, with_options
from data_prep.stages import resume

WORK_FOLDER = "_work"
# Kinds of personal data, and the tokens that stand for them if no others are named.
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
        (), "Evaluation files: drop lines that equal or contain one of their texts."
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
        """The recipe named, with what other settings change of it.

        Raises:
          UserError: an unknown recipe or kind of personal data.
        """
        changes: dict[str, Any] = {}
        if self.min_characters:
            changes["min_characters"] = self.min_characters
        tokens = _pii_tokens(self.mask_pii)
        return with_options(get_recipe(self.recipe), mask_pii=tokens, **changes)


def _pii_tokens(kinds: tuple[str, ...]) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for item in kinds:
        kind, _, token = item.partition(":")
        if kind not in (*PII_TOKENS, "all"):
            raise UserError(
                f"--mask_pii={item}: choose all, or of {', '.join(PII_TOKENS)}"
            )
        named = PII_TOKENS if kind == "all" else {kind: token or PII_TOKENS[kind]}
        tokens |= named
    return tokens


@dataclasses.dataclass(frozen=True)
class Work:
    """A run of clean_corpus, as its workers know it."""

    settings: CleanSettings
    log: resume.WorkLog

    def path(self, *names: str) -> str:
        """Of an intermediate file."""
        return os.path.join(self.log.output_dir, WORK_FOLDER, "-".join(names))

    def output_path(self, *names: str) -> str:
        """Of a file that stays."""
        return os.path.join(self.log.output_dir, *names)

    def entry(self, path: str) -> dict[str, Any]:
        name = os.path.relpath(path, self.log.output_dir)
        return {"name": name, "bytes": files.size(path)}

    @property
    def excluded_texts(self) -> str:
        return self.path("excluded.txt")

    def complete(self, values: dict[str, Any]) -> None:
        """Writes the manifest and removes the intermediate files."""
        self.log.complete(values)
        self.remove_intermediate()

    def remove_intermediate(self) -> None:
        folder = os.path.join(self.log.output_dir, WORK_FOLDER)
        if files.exists(folder):
            files.remove(folder)
