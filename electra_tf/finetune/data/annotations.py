"""Formats of files that annotate texts: tagged sentences, and SQuAD's questions."""

import itertools
import operator
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from common.errors import UserError
from electra_tf.finetune.data.dataset import LocatedRow
from electra_tf.finetune.kinds.rows import Answer, Row, Unit

TAG_FORMATS = ("conll", "klue_ner", "naver_ner")
_TAG = re.compile(r"O|[BI]-.+")
_NAVER_TAG = re.compile(r"(.+)-([BI])")
# A sentence: its first line, its id, and its (word or character, tag) pairs.
_Sentence = tuple[int, str, list[tuple[str, str]]]


def tagged(
    path: str, lines: list[str], data_format: str, counts: Counter[str]
) -> list[LocatedRow]:
    """Rows of tagged sentences.

    An I- tag that continues nothing becomes B-, as seqeval counts it;
    counts["repaired_tags"] says how many did.

    Raises:
      UserError: a line is not a word and a tag, or a tag is not BIO.
    """
    sentences = {"conll": _conll, "klue_ner": _klue_ner, "naver_ner": _naver_ner}
    between = "" if data_format == "klue_ner" else " "
    rows = []
    for number, name, pairs in sentences[data_format](path, lines):
        for _, tag in pairs:
            if not _TAG.fullmatch(tag):
                raise UserError(
                    f"{path}: the sentence at line {number} has the tag {tag!r}; tags "
                    "are O, B-TYPE where an entity begins and I-TYPE inside it"
                )
        units = _units(pairs, between)
        tags = [unit.tag for unit in units]
        repaired = repair_tags(tags)
        counts["repaired_tags"] += sum(map(operator.ne, tags, repaired))
        label = tuple(u._replace(tag=t) for u, t in zip(units, repaired, strict=True))
        row = Row(name, between.join(word for word, _ in pairs), label=label)
        rows.append(LocatedRow(row, f"line {number}"))
    return rows


def repair_tags(tags: list[str]) -> list[str]:
    """The tags with B- for each I- that does not continue its own type."""
    repaired = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        stray = tag.startswith("I-") and before[2:] != tag[2:]
        repaired.append(f"B-{tag[2:]}" if stray else tag)
    return repaired


def _units(pairs: list[tuple[str, str]], between: str) -> list[Unit]:
    """The words or characters without spaces, which KLUE's own scores skip too.

    A space that begins an entity (KLUE has two) leaves an I- tag to repair.
    """
    units, start = [], 0
    for word, tag in pairs:
        if word.strip():
            units.append(Unit(start, start + len(word), tag))
        start += len(word) + len(between)
    return units


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The lines between blank ones, and the number of the first."""
    numbered = enumerate(lines, 1)
    for has_text, block in itertools.groupby(numbered, lambda x: bool(x[1].strip())):
        if has_text:
            numbers, texts = zip(*block, strict=True)
            yield numbers[0], list(texts)


def _conll(path: str, lines: list[str]) -> Iterator[_Sentence]:
    """A word and its tag per line: its first and last field; blank lines between."""
    lines = ["" if line.startswith("-DOCSTART-") else line for line in lines]
    for begin, block in _blocks(lines):
        pairs = []
        for number, line in enumerate(block, begin):
            fields = line.split("\t") if "\t" in line else line.split()
            if len(fields) < 2 or not fields[0].strip() or len(fields[0].split()) > 1:
                raise UserError(
                    f"{path}: line {number} is not a word and a tag, separated by a "
                    f"tab or a space: {line[:80]!r}"
                )
            pairs.append((fields[0].strip(), fields[-1].strip()))
        yield begin, str(begin), pairs


def _klue_ner(path: str, lines: list[str]) -> Iterator[_Sentence]:
    """A character and its tag per line; "## id<tab>..." before a sentence."""
    for begin, block in _blocks(lines):
        name, pairs = "", []
        for number, line in enumerate(block, begin):
            if line.startswith("##") and not pairs:
                name = line[2:].split("\t")[0].strip()
                continue
            character, tab, tag = line.partition("\t")
            if not tab or not character or "\t" in tag:
                raise UserError(
                    f"{path}: line {number} is not a character and a tag, separated by "
                    f"a tab: {line[:80]!r}"
                )
            pairs.append((character, tag.strip()))
        if pairs:
            first = begin + len(block) - len(pairs)
            yield first, name or str(first), pairs


def _naver_ner(path: str, lines: list[str]) -> Iterator[_Sentence]:
    """The words of a sentence, a tab, and their tags, such as PER-B, per line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.split("\t")
        words, tags = fields[0].split(), fields[-1].split()
        if len(fields) != 2 or len(words) != len(tags):
            raise UserError(
                f"{path}: line {number} has {len(words)} words and {len(tags)} tags in "
                f"{len(fields)} fields; it must be words, a tab, and as many tags"
            )
        swapped = [_NAVER_TAG.sub(r"\2-\1", tag) for tag in tags]
        yield number, str(number), list(zip(words, swapped, strict=True))


def squad(
    path: str, document: Any, labelled: bool, counts: Counter[str]
) -> list[LocatedRow]:
    """Rows of SQuAD 1.1's JSON, one per question; an article is a group.

    An answer that is not at its place moves to the nearest place that has its text
    (counts["moved_answers"]); one that is nowhere in the context stays as it is.

    Raises:
      UserError: the file has another shape, or a question has no answer.
    """
    rows = []
    try:
        for article in document["data"]:
            paragraphs = article["paragraphs"]
            group = article.get("title") or "".join(p["context"] for p in paragraphs)
            for paragraph in paragraphs:
                for question in paragraph["qas"]:
                    row = _question(path, paragraph["context"], question, labelled)
                    rows.append(LocatedRow(row, f"question {row.id}", group))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not SQuAD's JSON (data, paragraphs, context, qas, id, "
            f"question, answers, text, answer_start): {error!r}"
        ) from error
    if not labelled:
        return rows
    return [r._replace(row=_with_placed_answers(r.row, counts)) for r in rows]


def _question(path: str, context: str, question: dict[str, Any], labelled: bool) -> Row:
    answers = None
    if labelled:
        answers = tuple(
            Answer(answer["text"], int(answer["answer_start"]))
            for answer in question["answers"]
        )
        if not answers or not all(answer.text.strip() for answer in answers):
            raise UserError(
                f"{path}: question {question['id']} has no answer; each must have one "
                "that is part of its context"
            )
    return Row(str(question["id"]), context, question["question"], label=answers)


def _with_placed_answers(row: Row, counts: Counter[str]) -> Row:
    placed = []
    for answer in row.label:
        if not answer.is_in(row.text):
            places = [m.start() for m in re.finditer(re.escape(answer.text), row.text)]
            if places:
                nearest = min(places, key=lambda place: abs(place - answer.start))
                answer = answer._replace(start=nearest)
                counts["moved_answers"] += 1
        placed.append(answer)
    return Row(row.id, row.text, row.text_pair, label=tuple(placed))
