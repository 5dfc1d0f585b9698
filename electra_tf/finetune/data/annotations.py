"""Tags of characters or words, and answers within texts: their files' formats."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from common.cli import UserError
from electra_tf.finetune.data.rows import Answer, Row, Unit

TAG_FORMATS = ("conll", "klue_ner", "naver_ner")
_TAG = re.compile(r"O|[BI]-.+")
_NAVER_TAG = re.compile(r"(.+)-([BI])")
# A sentence: where it begins, its id, and its (word or character, tag) pairs.
_Sentence = tuple[int, str, list[tuple[str, str]]]


class Found(NamedTuple):
    """A row, and where in its file it stands ("line 7").

    Rows of one group share a text (an article), so that no split may part them; ""
    stands for the row's own text.
    """

    row: Row
    where: str
    group: str = ""


def tagged(
    path: str, lines: list[str], data_format: str, counts: Counter[str]
) -> list[Found]:
    """Rows of tagged sentences.

    An I- tag that continues nothing becomes B-, which is how seqeval counts it; their
    number goes to counts["repaired_tags"].

    Raises:
      UserError: a line that is no word and tag, or a tag that is not BIO.
    """
    sentences = {"conll": _conll, "klue_ner": _klue_ner, "naver_ner": _naver_ner}
    between = "" if data_format == "klue_ner" else " "
    found = []
    for number, name, pairs in sentences[data_format](path, lines):
        for _, tag in pairs:
            if not _TAG.fullmatch(tag):
                raise UserError(
                    f"{path}: the sentence at line {number} has the tag {tag!r}; tags "
                    "are O, B-TYPE where an entity begins and I-TYPE inside it"
                )
        units = _units(pairs, between)
        tags = repair_tags([unit.tag for unit in units])
        repaired = [u._replace(tag=tag) for u, tag in zip(units, tags, strict=True)]
        counts["repaired_tags"] += sum(
            a != b for a, b in zip(units, repaired, strict=True)
        )
        text = between.join(word for word, _ in pairs)
        found.append(Found(Row(name, text, label=tuple(repaired)), f"line {number}"))
    return found


def repair_tags(tags: list[str]) -> list[str]:
    """BIO tags, of which each I- continues its own type."""
    repaired = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        stray = tag.startswith("I-") and before[2:] != tag[2:]
        repaired.append(f"B-{tag[2:]}" if stray else tag)
    return repaired


def _units(pairs: list[tuple[str, str]], between: str) -> list[Unit]:
    """The words or characters but for spaces, which KLUE's own scores skip too.

    A space that begins an entity (KLUE has two) leaves an I- tag to be repaired.
    """
    units, start = [], 0
    for word, tag in pairs:
        if word.strip():
            units.append(Unit(start, start + len(word), tag))
        start += len(word) + len(between)
    return units


def _conll(path: str, lines: list[str]) -> Iterator[_Sentence]:
    """A word and its tag a line: the first and the last field; blank lines between."""
    pairs: list[tuple[str, str]] = []
    begin = 1
    for number, line in enumerate([*lines, ""], 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if pairs:
                yield begin, str(begin), pairs
            pairs = []
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 2 or not fields[0].strip() or len(fields[0].split()) > 1:
            raise UserError(
                f"{path}: line {number} is no word and tag, separated by a tab or a "
                f"space: {line[:80]!r}"
            )
        begin = begin if pairs else number
        pairs.append((fields[0].strip(), fields[-1].strip()))


def _klue_ner(path: str, lines: list[str]) -> Iterator[_Sentence]:
    """A character and its tag a line, spaces too; "## id<tab>..." before a sentence."""
    pairs: list[tuple[str, str]] = []
    begin, name = 1, ""
    for number, line in enumerate([*lines, ""], 1):
        if not line.strip():
            if pairs:
                yield begin, name or str(begin), pairs
            pairs, name = [], ""
            continue
        if line.startswith("##") and not pairs:
            name = line[2:].split("\t")[0].strip()
            continue
        character, tab, tag = line.partition("\t")
        if not tab or not character or "\t" in tag:
            raise UserError(
                f"{path}: line {number} is no character and tag separated by a tab: "
                f"{line[:80]!r}"
            )
        begin = begin if pairs else number
        pairs.append((character, tag.strip()))


def _naver_ner(path: str, lines: list[str]) -> Iterator[_Sentence]:
    """The words of a sentence, a tab, and their tags, such as PER-B, a line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.split("\t")
        words, tags = fields[0].split(), fields[-1].split()
        if len(fields) != 2 or len(words) != len(tags):
            raise UserError(
                f"{path}: line {number} has {len(words)} words and {len(tags)} tags in "
                f"{len(fields)} fields; words, a tab, and as many tags are needed"
            )
        swapped = [_NAVER_TAG.sub(r"\2-\1", tag) for tag in tags]
        yield number, str(number), list(zip(words, swapped, strict=True))


def squad(
    path: str, document: Any, labelled: bool, counts: Counter[str]
) -> list[Found]:
    """Rows of SQuAD 1.1's JSON, a question each; an article is a group.

    An answer that does not stand where the file says is looked for nearest to there
    (counts["moved_answers"]); one that stands nowhere is left as it is.

    Raises:
      UserError: another shape, or a question without an answer.
    """
    found = []
    try:
        for article in document["data"]:
            paragraphs = article["paragraphs"]
            group = article.get("title") or "".join(p["context"] for p in paragraphs)
            for paragraph in paragraphs:
                for question in paragraph["qas"]:
                    row = _question(path, paragraph["context"], question, labelled)
                    found.append(Found(row, f"question {row.id}", group))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not SQuAD's JSON (data, paragraphs, context, qas, id, "
            f"question, answers, text, answer_start): {error!r}"
        ) from error
    if not labelled:
        return found
    return [f._replace(row=_with_placed_answers(f.row, counts)) for f in found]


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
                "that stands in its context"
            )
    return Row(str(question["id"]), context, question["question"], label=answers)


def _with_placed_answers(row: Row, counts: Counter[str]) -> Row:
    placed = []
    for answer in row.label:
        if not stands(row.text, answer):
            places = [m.start() for m in re.finditer(re.escape(answer.text), row.text)]
            if places:
                nearest = min(places, key=lambda place: abs(place - answer.start))
                answer = answer._replace(start=nearest)
                counts["moved_answers"] += 1
        placed.append(answer)
    return Row(row.id, row.text, row.text_pair, label=tuple(placed))


def stands(text: str, answer: Answer) -> bool:
    """Whether an answer stands in the text where it says."""
    return answer.start >= 0 and text.startswith(answer.text, answer.start)
