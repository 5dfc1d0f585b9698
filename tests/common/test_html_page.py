"""The HTML file: tags that close, text that stays text, nothing that is loaded."""

import html.parser

from common import html_page
from common.html_page import Heading, Notice, Number, Picture, Pieces, Table

NASTY = "<script src='//x'>&\ud800"
ESCAPED = "&lt;script src=&#x27;//x&#x27;&gt;&amp;\\ud800"


class Page(html.parser.HTMLParser):
    """Text by tag, and what is loaded; every tag has to be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.texts: list[tuple[str, str, str]] = []
        self._classes: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.loaded += [v for k, v in attrs.items() if k in ("src", "href")]
        self.loaded += [tag] * (tag in ("script", "link", "iframe"))
        if tag not in ("meta", "img", "wbr"):
            self.open.append(tag)
            self._classes.append(attrs.get("class", ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self._classes.pop()

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1], self._classes[-1], data))


def test_everything_is_escaped_and_nothing_is_loaded():
    table = Table([NASTY], [[NASTY], [Number(NASTY, share=0.5, is_best=True)]])
    parts = [NASTY, Heading(NASTY), Heading(NASTY, 3), table, Notice(NASTY)]
    parts += [Pieces(NASTY, [NASTY]), Picture(b"\x89PNG", NASTY)]
    text = html_page.page(NASTY, parts)
    text.encode("utf-8")
    assert "<script" not in text and text.count(ESCAPED) == 11
    assert Page(text).loaded == ["data:image/png;base64,iVBORw=="]
    assert "@import" not in text and "url(" not in text


def test_columns_of_numbers_and_their_heads_stand_on_the_right():
    rows = [("a", 1_234, "-", "x" * 41), ("b", Number("0.5"), Number("7"), "y")]
    page = Page(html_page.page("t", [Table(("name", "n", "m", "text"), rows)]))
    cells = [text for text in page.texts if text[0] in ("th", "td")]
    kinds = {}
    for i, (_, kind, text) in enumerate(cells):
        kinds.setdefault(i % 4, set()).add(kind)
        assert text
    assert kinds == {0: {""}, 1: {"number"}, 2: {"number"}, 3: {"text"}}
    assert ("td", "number", "1,234") in cells


def test_bars_compare_values_with_the_largest():
    text = html_page.page(
        "t", [Table(("n",), [[n] for n in html_page.bars([50, 200])])]
    )
    assert '<td class="number bar" style="--share:25.0%">50</td>' in text
    assert '<td class="number bar" style="--share:100.0%">200</td>' in text
    assert html_page.bars([0, 0]) == [Number("0", 0.0)] * 2
    assert html_page.bars([]) == []
    assert html_page.bars([0.5], "{:.1%}") == [Number("50.0%", 1.0)]


def test_marked_pieces_and_best_numbers_stand_out():
    parts = [Pieces("a:", ["가", "[UNK]"], marked="[UNK]")]
    parts.append(Table(("n",), [[Number("7", is_best=True)]]))
    text = html_page.page("t", parts)
    assert '<span class="piece">가</span>' in text
    assert '<span class="piece marked">[UNK]</span>' in text
    assert '<td class="number"><b>7</b></td>' in text


def test_a_table_without_rows_says_so():
    assert "<p>none</p>" in html_page.page("t", [Table(("a", "b"), [])])


def test_a_page_is_the_same_in_light_and_dark_and_names_korean_fonts():
    text = html_page.page("t", [])
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text
    assert '"Malgun Gothic"' in text and '"Noto Sans CJK KR"' in text
