"""Files of labelled tasks -> rows; errors name the file and the line.

TSV has no quoting: a quote is an ordinary character, and no field has a tab.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from common import files
from common.errors import UserError
from electra_tf.finetune.data import annotations
from electra_tf.finetune.data.dataset import LocatedRow
from electra_tf.finetune.data.tasks import Task
from electra_tf.finetune.kinds.rows import Row, as_text

# A place in the file, and the fields there by column.
_Record = tuple[str, dict[str, Any]]
_TABLES = ("tsv", "jsonl", "json")


def read(task: Task, path: str) -> tuple[list[LocatedRow], Counter[str]]:
    """The labelled rows of a file, and counts of what had to be repaired.

    Raises:
      UserError: the file is empty or not UTF-8, lacks a column, has a line with another
        number of fields, or a label that the kind does not allow.
    """
    data_format = task.format or task.kind.file_format or _ending(path, _TABLES)
    counts: Counter[str] = Counter()
    if data_format == "squad":
        rows = annotations.squad(path, _json(path), True, counts)
    elif data_format in annotations.TAG_FORMATS:
        rows = annotations.tagged(path, read_lines(path), data_format, counts)
    else:
        rows = [
            LocatedRow(_row(task, path, where, fields, True), where)
            for where, fields in _records(task, path, data_format, labelled=True)
        ]
    return _not_empty(path, rows), counts


def unlabelled(task: Task, path: str) -> list[Row]:
    """Rows to predict: one for each row of the file, even if its text is blank.

    A .txt has one row per line, with tabs between the texts of a pair or the choices.
    Of a .tsv with a header or a .jsonl only the texts' columns are read. A .json is
    SQuAD's for question answering, else a list of objects.

    Raises:
      UserError: the name has another ending, or as in `read`.
    """
    ending = _ending(path, ("txt", *_TABLES))
    if ending == "json" and task.kind.file_format == "squad":
        questions = annotations.squad(path, _json(path), False, Counter())
        return [question.row for question in _not_empty(path, questions)]
    if ending == "txt" and not _has_header(task, path):
        records = _plain_records(task, path)
    else:
        data_format = "tsv" if ending == "txt" else ending
        records = _records(task, path, data_format, labelled=False)
    rows = [_row(task, path, where, fields, False) for where, fields in records]
    return _not_empty(path, rows)


def _not_empty(path: str, rows: list[Any]) -> list[Any]:
    if not rows:
        raise UserError(f"{path} has no rows: it is empty, or has only a header")
    return rows


def read_lines(path: str) -> list[str]:
    """Lines without their ends, and without a byte order mark.

    Raises:
      UserError: no such file, or not UTF-8.
    """
    try:
        with files.open_binary(path) as handle:
            data = handle.read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path} does not exist, or is a folder") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: invalid UTF-8 at line {number}. Convert the file, for instance "
            f"with iconv -f CP949 -t UTF-8 '{path}'"
        ) from error
    # str.splitlines would also split at other characters, such as U+2028.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _json(path: str) -> Any:
    return _parsed(path, "\n".join(read_lines(path)), 1)


def _parsed(path: str, text: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        raise UserError(
            f"{path}: line {first_line + error.lineno - 1} is not JSON: {error.msg}: "
            f"{line[:80]!r}"
        ) from error


def _ending(path: str, allowed: tuple[str, ...]) -> str:
    ending = path.rpartition(".")[2]
    if ending not in allowed:
        raise UserError(
            f"{path}: unknown format; the name must end in .{', .'.join(allowed)}"
        )
    return ending


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
        records = (
            (f"line {n}", _parsed(path, line, n))
            for n, line in enumerate(read_lines(path), 1)
            if line.strip()
        )
    else:
        objects = _json(path)
        if not isinstance(objects, list):
            raise UserError(f"{path} is not a list of objects")
        records = ((f"object {n}", value) for n, value in enumerate(objects, 1))
    for where, value in records:
        if not isinstance(value, dict):
            raise UserError(f"{path}, {where} is not an object: {str(value)[:80]!r}")
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
            # Skip blank lines, except where the only field is a text.
            if not line:
                continue
            raise UserError(
                f"{path}: line {number} has {len(fields)} fields, not {len(header)} "
                f"({', '.join(header)}). Tabs separate fields and cannot be inside "
                "one; quotes are ordinary characters"
            )
        yield f"line {number}", dict(zip(header, fields, strict=True))


def _has_header(task: Task, path: str) -> bool:
    """Whether a .txt is in fact TSV with a header, as NSMC's is."""
    first = (read_lines(path) or [""])[0].split("\t")
    return len(first) > 1 and set(_text_columns(task)) <= set(first)


def _plain_records(task: Task, path: str) -> Iterator[_Record]:
    columns = _text_columns(task)
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split("\t") if len(columns) > 1 else [line]
        if len(fields) != len(columns):
            raise UserError(
                f"{path}: line {number} has {len(fields)} fields separated by tabs; it "
                f"must have {len(columns)}: {', '.join(columns)}"
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


def _check_columns(where: str, names: Any, needed: list[str]) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        raise UserError(
            f"{where} has no column {', '.join(map(repr, missing))}; "
            f"its columns are {', '.join(names)}"
        )


def _row(
    task: Task, path: str, where: str, fields: dict[str, Any], labelled: bool
) -> Row:
    """`where` gives the row's id if the task has no id column: "line 7" -> "7"."""

    def convert(function: Callable[..., Any], column: str, *options: Any) -> Any:
        try:
            return function(fields[column], *options)
        except ValueError as error:
            raise UserError(f"{path}, {where}: {column!r} {error}") from error

    text_of = functools.partial(convert, as_text)

    text, kind = " ".join(map(text_of, task.text)), task.kind
    if labelled:
        options = task.labels, task.label_separator
        label = convert(kind.read_label, task.label, *options)
    else:
        label = kind.unlabelled(text, by_character=task.format == "klue_ner")
    return Row(
        id=str(fields.get(task.id, where.split()[-1])),
        text=text,
        text_pair=text_of(task.text_pair) if task.text_pair else None,
        choices=tuple(map(text_of, task.choices)),
        label=label,
    )
