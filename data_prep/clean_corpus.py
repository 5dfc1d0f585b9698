"""Raw text -> clean, deduplicated documents.

Reads .txt (a document per line, or lines with blank lines between documents), .jsonl
and .tsv, each plain, .gz or .zst; cleans every line by a recipe, drops lines by its
filters, drops exact duplicates of earlier lines, and writes shards plus a manifest.

  python -m data_prep.clean_corpus --input='raw/*.jsonl.gz' --output_dir=W/clean \\
      --text_field=text --group_field=thread_id
"""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator

from absl import flags, logging

from data_prep import (
    cleaning,
    cli,
    corpus,
    dedup,
    manifest,
    parallel,
    recipes,
    shards,
)
from data_prep.cli import UserError
from data_prep.progress import Progress

_INPUT = flags.DEFINE_list(
    "input", None, "Files to read: names or quoted patterns, separated by commas."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
_RECIPE = flags.DEFINE_string(
    "recipe", "default", f"Cleaning recipe: {', '.join(recipes.RECIPES)}."
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field", "", "The text's field in .jsonl and .tsv."
)
_GROUP_FIELD = flags.DEFINE_string(
    "group_field",
    "",
    "Consecutive records with one value of this field form a document.",
)
_TXT_DOCUMENTS = flags.DEFINE_enum(
    "txt_documents",
    "auto",
    ["auto", "line", "blank"],
    "What is a document in a .txt: each line, or lines up to a blank line. auto: "
    "blank, if the first lines hold a blank one.",
)
_ON_DECODE_ERROR = flags.DEFINE_enum(
    "on_decode_error",
    "strict",
    ["strict", "replace"],
    "Invalid UTF-8: stop with file and byte offset, or replace the bytes and count.",
)
_DEDUPLICATE = flags.DEFINE_bool(
    "deduplicate", True, "Drop lines that equal an earlier one after cleaning."
)
_SHARD_MIB = flags.DEFINE_integer(
    "shard_mib", 16, "Size of an output shard, MiB.", lower_bound=1
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes that clean.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
flags.mark_flags_as_required(["input", "output_dir"])

_BATCH_CHARACTERS = 1 << 19

# A batch's result: per document, the clean lines; counts of rules, reasons and samples.
_Cleaned = tuple[list[corpus.Document], Counter, Counter, dict[str, list[str]]]


@functools.cache
def _cleaner(recipe_name: str) -> cleaning.Cleaner:
    return cleaning.Cleaner(recipes.get_recipe(recipe_name))


def clean_batch(recipe_name: str, documents: list[corpus.Document]) -> _Cleaned:
    """Cleans documents; counts changed lines per rule and dropped lines per reason."""
    cleaner = _cleaner(recipe_name)
    tally, dropped, samples = Counter(), Counter(), {}
    lines = [line for document in documents for line in document]
    clean = cleaner.clean_lines(lines, tally)
    results = zip(clean, cleaner.drop_reasons(clean), strict=True)
    changed = Counter({rule: n for (rule, what), n in tally.items() if what == "lines"})
    cleaned = []
    for document in documents:
        kept = []
        for line in document:
            text, reason = next(results)
            if reason is None:
                kept.append(text)
            else:
                dropped[reason] += 1
                samples.setdefault(reason, [])
                if len(samples[reason]) < 5:
                    samples[reason].append(line[:200])
        cleaned.append(kept)
    return cleaned, changed, dropped, samples


def _batches(documents: Iterable[corpus.Document]) -> Iterator[list[corpus.Document]]:
    batch, characters = [], 0
    for document in documents:
        batch.append(document)
        characters += sum(map(len, document))
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def clean_corpus() -> None:
    recipe = recipes.get_recipe(_RECIPE.value)
    paths = corpus.find_inputs(_INPUT.value)
    options = corpus.ReadOptions(
        text_field=_TEXT_FIELD.value,
        group_field=_GROUP_FIELD.value,
        txt_documents=_TXT_DOCUMENTS.value,
        on_decode_error=_ON_DECODE_ERROR.value,
    )
    if not options.text_field and any(".txt" not in path for path in paths):
        raise UserError("--text_field is needed: the name of the text's field")
    manifest.check_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value, paths)
    reader = corpus.Reader(paths, options)
    documents = reader.documents()
    # The first document shows wrong fields and formats before anything is removed.
    first = next(documents, None)
    if first is None:
        raise UserError(f"no text in {', '.join(paths[:5])}: every line is empty")
    manifest.prepare_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value)

    counts: Counter = Counter()
    changed: Counter = Counter()
    dropped: Counter = Counter()
    samples: dict[str, list[str]] = {}
    seen = dedup.ExactDeduplicator()
    with (
        Progress("cleaning", reader.total_bytes, "B") as progress,
        shards.ShardWriter(_OUTPUT_DIR.value, _SHARD_MIB.value << 20) as writer,
    ):
        work = functools.partial(clean_batch, recipe.name)
        batches = _batches(itertools.chain([first], documents))
        for result in parallel.ordered_map(work, batches, _NUM_WORKERS.value):
            cleaned, batch_changed, batch_dropped, batch_samples = result
            changed += batch_changed
            dropped += batch_dropped
            for reason, lines in batch_samples.items():
                samples[reason] = (samples.get(reason, []) + lines)[:5]
            for document in cleaned:
                kept = [
                    line
                    for line in document
                    if not (_DEDUPLICATE.value and seen.is_duplicate(line))
                ]
                counts["duplicate_lines"] += len(document) - len(kept)
                counts["lines"] += len(kept)
                counts["documents"] += bool(kept)
                if kept:
                    writer.write(kept)
            progress.update_to(reader.position())
    if not counts["lines"]:
        raise UserError(
            f"nothing is left of {reader.counts['records']} records: dropped "
            f"{dict(dropped)}. Is --text_field right, and is the recipe for this text?"
        )
    if reader.counts["regrouped"]:
        logging.warning(
            "%d records belong to a group that had already ended and begin a new "
            "document: sort the input by %s to join them",
            reader.counts["regrouped"],
            options.group_field,
        )
    manifest.write(
        _OUTPUT_DIR.value,
        "clean_corpus",
        {
            "recipe": recipe.name,
            "recipe_hash": recipe.hash(),
            "deduplicate": _DEDUPLICATE.value,
            "read": dict(reader.counts),
            "changed_lines": dict(sorted(changed.items())),
            "dropped_lines": dict(sorted(dropped.items())),
            "dropped_samples": dict(sorted(samples.items())),
            "written": dict(sorted(counts.items())),
            "files": writer.entries,
        },
    )
    logging.info("read %s", dict(reader.counts))
    logging.info("changed lines by rule %s", dict(changed.most_common()))
    logging.info("dropped lines by reason %s", dict(dropped.most_common()))
    logging.info(
        "%s: %s in %d files", _OUTPUT_DIR.value, dict(counts), len(writer.entries)
    )


if __name__ == "__main__":
    cli.run(clean_corpus)
