"""Makes a page of one HTML file, without scripts, that loads nothing."""

import base64
import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_LONG_TEXT = 40  # characters from which a cell's text may wrap
_STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --faint: #59636e;
  --line: #d1d9e0; --bar: #bfd6f5; --piece: #e6eff9; --marked: #ffd3cc;
  --notice: #fff2cc; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --text: #e4e8ec; --faint: #9aa4ae; --line: #3a424a;
    --bar: #24517f; --piece: #26323f; --marked: #7a2e26; --notice: #4a3b0d; } }
body { margin: 1.5em auto; max-width: 72em; padding: 0 1em; color: var(--text);
  background: var(--page); overflow-wrap: anywhere; font: 15px/1.5 system-ui,
  "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR",
  sans-serif; }
h1 { font-size: 1.6em; line-height: 1.25; }
h2 { font-size: 1.2em; margin-top: 2em; }
h3 { font-size: 1em; margin: 1.5em 0 .3em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; overflow-wrap: normal; }
th, td { padding: .25em .8em; border-bottom: 1px solid var(--line);
  text-align: left; white-space: nowrap; }
th { color: var(--faint); font-weight: 600; vertical-align: bottom;
  white-space: normal; }
th:first-child, td:first-child { padding-left: 0; position: sticky; left: 0;
  background: var(--page); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.text { min-width: 15em; white-space: normal; overflow-wrap: anywhere; }
.bar { min-width: max(9em, 14vw);
  background: linear-gradient(var(--bar), var(--bar)) no-repeat content-box;
  background-size: var(--share) 100%; }
.piece { background: var(--piece); border-radius: .25em; padding: 0 .3em;
  margin: .1em; display: inline-block; }
.marked { background: var(--marked); }
.notice { background: var(--notice); border-radius: .4em; padding: .5em .8em; }
img { min-width: 48em; max-width: 100%; border-radius: .4em; }
@media (max-width: 40em) { th, td { padding: .25em .45em; }
  td:first-child { white-space: normal; } }
"""


class Heading(NamedTuple):
    """The title of what follows."""

    text: str
    level: int = 2


class Number(NamedTuple):
    """A cell that stands on the right; `share` of its width is drawn as a bar."""

    text: str
    share: float | None = None
    is_best: bool = False


Cell = str | int | Number


class Table(NamedTuple):
    """Rows below the names of their columns, which stand as their cells do."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Pieces(NamedTuple):
    """A paragraph of texts in boxes; those equal to `marked` stand out."""

    label: str
    texts: Sequence[str]
    marked: str = ""


class Picture(NamedTuple):
    """A PNG, and what it shows."""

    png: bytes
    alt: str


class Notice(NamedTuple):
    """A paragraph that stands out."""

    text: str


Part = str | Heading | Table | Pieces | Picture | Notice


def page(title: str, parts: Iterable[Part]) -> str:
    """The whole file: a title, and below it the parts; a str is a paragraph."""
    shown = "\n".join(_part(part) for part in [Heading(title, 1), *parts])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escape(title)}</title>\n<style>{_STYLE}</style></head><body>\n"
        f"{shown}\n</body></html>\n"
    )


def bars(values: Sequence[float], form: str = "{:,}") -> list[Number]:
    """Cells whose bars compare the values; the largest fills its cell."""
    largest = max(values, default=0) or 1
    return [Number(form.format(value), value / largest) for value in values]


def _part(part: Part) -> str:
    if isinstance(part, Heading):
        return _tag(f"h{part.level}", _escape(part.text))
    if isinstance(part, Notice):
        return _tag("p", _escape(part.text), "notice")
    if isinstance(part, Picture):
        data = base64.b64encode(part.png).decode("ascii")
        image = f'<img alt="{_escape(part.alt)}" src="data:image/png;base64,{data}">'
        return _tag("div", image, "wide")
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Pieces):
        return _pieces(part)
    return _tag("p", _escape(part))


def _pieces(pieces: Pieces) -> str:
    boxes = "".join(
        _tag(
            "span", _escape(text), "piece marked" if text == pieces.marked else "piece"
        )
        for text in pieces.texts
    )
    return _tag("p", f"{_escape(pieces.label)} {boxes}")


def _table(table: Table) -> str:
    if not table.rows:
        return "<p>none</p>"
    classes = [_column_class(column) for column in zip(*table.rows, strict=True)]
    head = _row(
        _tag("th", _escape(name).replace("/", "/<wbr>"), column)
        for name, column in zip(table.columns, classes, strict=True)
    )
    body = "\n".join(_row(map(_cell, row, classes)) for row in table.rows)
    return _tag("div", f"<table>\n{head}\n{body}\n</table>", "wide")


def _row(cells: Iterable[str]) -> str:
    return _tag("tr", "".join(cells))


def _column_class(cells: Sequence[Cell]) -> str:
    if any(isinstance(cell, int | Number) for cell in cells):
        return "number"
    return "text" if any(len(cell) > _LONG_TEXT for cell in cells) else ""


def _cell(cell: Cell, column: str) -> str:
    if isinstance(cell, str):
        return _tag("td", _escape(cell), column)
    number = Number(f"{cell:,}") if isinstance(cell, int) else cell
    text = _escape(number.text)
    text = _tag("b", text) if number.is_best else text
    if number.share is None:
        return _tag("td", text, column)
    return _tag("td", text, f"{column} bar", f"--share:{number.share:.1%}")


def _tag(name: str, inner: str, kind: str = "", style: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    style = f' style="{style}"' if style else ""
    return f"<{name}{kind}{style}>{inner}</{name}>"


def _escape(text: str) -> str:
    # Half a surrogate pair, which JSON can hold, cannot be written as UTF-8.
    return html.escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
