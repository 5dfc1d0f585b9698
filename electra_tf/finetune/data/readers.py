"""Files of labelled tasks -> rows, with errors that say where in which file.

TSV has no quoting: a quote is an ordinary character, and a field holds no tab.
"""

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from common import files
from common.cli import UserError
from electra_tf.finetune.data import annotations
from electra_tf.finetune.data.annotations import Found
from electra_tf.finetune.data.rows import Kind, Row, Unit
from electra_tf.finetune.data.tasks import Task

_WORD = re.compile(r"\S+")
_CHARACTER = re.compile(r"\S")
# Where in the file, and its fields by column.
_Record = tuple[str, dict[str, Any]]


def read(task: Task, path: str) -> tuple[list[Found], Counter[str]]:
    """The labelled rows of a file, and what was mended on the way.

    Raises:
      UserError: not UTF-8, empty, a missing column, another number of fields, or a
        label that the kind does not allow.
    """
    data_format = task.format or _format_by_ending(task, path)
    counts: Counter[str] = Counter()
    if data_format == "squad":
        found = annotations.squad(path, _json(path), True, counts)
    elif data_format in annotations.TAG_FORMATS:
        found = annotations.tagged(path, read_lines(path), data_format, counts)
    else:
        found = [
            Found(_row(task, f"{path}, {where}", where, fields, True), where)
            for where, fields in _records(task, path, data_format, labelled=True)
        ]
    return _not_empty(path, found), counts


def unlabelled(task: Task, path: str) -> list[Row]:
    """Rows to be predicted, one for each of the file, blank texts too.

    A .txt holds a row a line, the fields of a pair (or of choices) separated by tabs;
    .tsv has a header and .jsonl names, and only the texts' columns are looked at;
    .json is SQuAD's for QUESTION_ANSWERING, a list of objects for others.

    Raises:
      UserError: an ending that is none of these, or as in `read`.
    """
    ending = os.path.splitext(path)[1]
    if ending not in (".txt", ".tsv", ".jsonl", ".json"):
        raise UserError(
            f"{path}: cannot tell its format; names end in .txt, .tsv, .jsonl or .json"
        )
    if ending == ".json" and task.kind is Kind.QUESTION_ANSWERING:
        found = annotations.squad(path, _json(path), False, Counter())
        return [f.row for f in _not_empty(path, found)]
    if ending == ".txt" and not _has_header(task, path):
        records = _plain_records(task, path)
    else:
        data_format = "tsv" if ending == ".txt" else ending[1:]
        records = _records(task, path, data_format, labelled=False)
    rows = [
        _row(task, f"{path}, {where}", where, fields, False)
        for where, fields in records
    ]
    return _not_empty(path, rows)


def _not_empty(path: str, rows: list[Any]) -> list[Any]:
    if not rows:
        raise UserError(f"{path} holds no rows: it is empty, or a header alone")
    return rows


def read_lines(path: str) -> list[str]:
    """Lines without their ends, and without a byte order mark.

    Raises:
      UserError: not UTF-8.
    """
    with files.open_binary(path) as handle:
        data = handle.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: invalid UTF-8 at line {number}. Convert the file, for instance "
            f"with iconv -f CP949 -t UTF-8 '{path}'"
        ) from error
    # str.splitlines would also cut at characters that texts hold.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _json(path: str) -> Any:
    try:
        return json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: line {error.lineno} is no JSON: {error.msg}"
        ) from error


def _format_by_ending(task: Task, path: str) -> str:
    if task.kind is Kind.TAGGING:
        return "conll"
    if task.kind is Kind.QUESTION_ANSWERING:
        return "squad"
    ending = os.path.splitext(path)[1]
    if ending not in (".tsv", ".jsonl", ".json"):
        raise UserError(
            f"{path}: cannot tell its format; names end in .tsv, .jsonl or .json"
        )
    return ending[1:]


def _text_columns(task: Task) -> list[str]:
    pair = [task.text_pair] if task.text_pair else []
    return [*task.text, *pair, *task.choices]


def _records(
    task: Task, path: str, data_format: str, labelled: bool
) -> Iterator[_Record]:
    columns = _text_columns(task) + ([task.label] if labelled else [])
    if data_format == "tsv":
        header = task.header if labelled else ()
        yield from _tsv_records(path, header, columns)
        return
    if data_format == "jsonl":
        found = _jsonl_objects(path)
    else:
        objects = _json(path)
        if not isinstance(objects, list):
            raise UserError(f"{path} is not a list of objects")
        found = ((f"object {n}", value) for n, value in enumerate(objects, 1))
    for where, value in found:
        if not isinstance(value, dict):
            raise UserError(f"{path}, {where} is no object: {str(value)[:80]!r}")
        fields = _flat(value)
        _check_columns(f"{path}, {where}", fields, columns)
        yield where, fields


def _tsv_records(
    path: str, header: tuple[str, ...], columns: list[str]
) -> Iterator[_Record]:
    lines = read_lines(path)
    first = 1
    if not header and lines:
        header, first = tuple(lines[0].split("\t")), 2
        _check_columns(path, header, columns)
    for number, line in enumerate(lines[first - 1 :], first):
        fields = line.split("\t")
        if len(fields) != len(header):
            # A blank line says nothing, unless the only field is a text.
            if not line:
                continue
            raise UserError(
                f"{path}: line {number} has {len(fields)} fields, not {len(header)} "
                f"({', '.join(header)}). Fields are separated by tabs and hold none; "
                "quotes are ordinary characters"
            )
        yield f"line {number}", dict(zip(header, fields, strict=True))


def _jsonl_objects(path: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path}: line {number} is no JSON: {error.msg}: {line[:80]!r}"
            ) from error


def _has_header(task: Task, path: str) -> bool:
    """Whether a .txt is one of the sets that are TSV under that name."""
    first = (read_lines(path) or [""])[0].split("\t")
    return len(first) > 1 and set(_text_columns(task)) <= set(first)


def _plain_records(task: Task, path: str) -> Iterator[_Record]:
    columns = _text_columns(task)
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split("\t") if len(columns) > 1 else [line]
        if len(fields) != len(columns):
            raise UserError(
                f"{path}: line {number} has {len(fields)} fields separated by tabs, "
                f"{len(columns)} are needed: {', '.join(columns)}"
            )
        yield f"line {number}", dict(zip(columns, fields, strict=True))


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{prefix}{name}.")
        else:
            flat[prefix + name] = inner
    return flat


def _check_columns(where: str, found: Any, needed: list[str]) -> None:
    missing = [name for name in needed if name not in found]
    if missing:
        raise UserError(
            f"{where} has no column {', '.join(map(repr, missing))}; "
            f"its columns are {', '.join(found)}"
        )


def _row(
    task: Task, where: str, place: str, fields: dict[str, Any], labelled: bool
) -> Row:
    """`place` names the row where it has no id of its own: "line 7" -> "7"."""
    text = " ".join(_as_text(where, name, fields[name]) for name in task.text)
    pair = task.text_pair and _as_text(where, task.text_pair, fields[task.text_pair])
    if labelled:
        label = _label(task, where, fields[task.label])
    else:
        label = _untagged(task, text) if task.kind is Kind.TAGGING else None
    return Row(
        id=str(fields.get(task.id, place.split()[-1])),
        text=text,
        text_pair=pair if task.text_pair else None,
        choices=tuple(_as_text(where, name, fields[name]) for name in task.choices),
        label=label,
    )


def _as_text(where: str, column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        raise UserError(f"{where}: {column!r} is no text but {str(value)[:80]}")
    return value if isinstance(value, str) else json.dumps(value)


def _untagged(task: Task, text: str) -> tuple[Unit, ...]:
    pattern = _CHARACTER if task.format == "klue_ner" else _WORD
    return tuple(Unit(*match.span(), "") for match in pattern.finditer(text))


def _label(task: Task, where: str, value: Any) -> str | float | int | tuple[str, ...]:
    """A field as the kind has its labels; whether train knows it is not asked."""
    if task.kind is Kind.MULTI_LABEL:
        if not isinstance(value, list):
            value = _as_text(where, task.label, value).split(task.label_separator)
        names = [_as_text(where, task.label, name).strip() for name in value]
        return tuple(dict.fromkeys(name for name in names if name))
    text = _as_text(where, task.label, value).strip()
    if not text:
        raise UserError(f"{where} has no label: {task.label!r} is empty")
    if task.kind is Kind.REGRESSION:
        return _number(where, text)
    same = {name.casefold(): name for name in task.labels}
    text = same.get(text.casefold(), text)
    if task.kind is not Kind.MULTIPLE_CHOICE:
        return text
    if text not in task.labels:
        raise UserError(
            f"{where}: {task.label} {text!r} names no choice; they are "
            f"{', '.join(task.labels)}"
        )
    return task.labels.index(text)


def _number(where: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{where}: the label {text!r} is no number")
    return number
