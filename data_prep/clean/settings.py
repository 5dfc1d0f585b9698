"""What decides the clean text, and where a run keeps its intermediate files."""

import dataclasses
import os
from typing import Any

from common import files
from common.cli import UserError, flag
from data_prep.raw.records import RecordOptions
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
class CleanSettings:
    """Reading and cleaning: what decides the clean text."""

    text_field: str = flag("", "The text's field in .jsonl and .tsv.")
    group_field: str = flag(
        "", "Records with one value of this field form a document; null stands alone."
    )
    sort_field: str = flag(
        "", "Orders the records of a group; without it they keep the input's order."
    )
    txt_documents: str = flag(
        "auto",
        "What is a document in a .txt: each line, or lines up to a blank line. auto: "
        "blank, if the first 16 MiB hold a blank line.",
        choices=("auto", "line", "blank"),
    )
    on_decode_error: str = flag(
        "strict",
        "Invalid UTF-8: stop with file, line and byte, or replace the bytes and count.",
        choices=("strict", "replace"),
    )
    recipe: str = flag("default", f"Cleaning recipe: {', '.join(RECIPES)}.")
    mask_pii: tuple[str, ...] = flag(
        (),
        "Personal data to replace by special tokens: all, or kinds of "
        f"{', '.join(PII_TOKENS)}; phone:[TEL] names another token.",
    )
    min_characters: int = flag(
        0, "Of a clean line; shorter ones are dropped. 0: the recipe's.", at_least=0
    )
    split_sentences: bool = flag(False, "Cut clean lines into sentences (kiwipiepy).")
    exclude: tuple[str, ...] = flag(
        (), "Evaluation files: lines that equal or contain a text of them are dropped."
    )
    exclude_min_characters: int = flag(
        15,
        "Letters and digits of an evaluation text that no line may contain; shorter "
        "ones exclude only lines equal to them.",
        at_least=1,
    )
    deduplicate: str = flag(
        "line",
        "Drop what equals an earlier line, or an earlier document, after cleaning.",
        choices=("line", "document", "none"),
    )
    near_duplicates: float = flag(
        0.0,
        "Drop documents about this similar (Jaccard, of character 5-grams) to an "
        "earlier one, such as 0.8; 0: keep them.",
        at_least=0.0,
        at_most=1.0,
    )
    shard_mib: int = flag(16, "Raw text that goes into one shard, MiB.", at_least=1)
    write_rejects: bool = flag(
        False, "Write dropped lines and their reasons to the folder rejects."
    )

    def record_options(self) -> RecordOptions:
        names = [field.name for field in dataclasses.fields(RecordOptions)]
        return RecordOptions(**{name: getattr(self, name) for name in names})

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
