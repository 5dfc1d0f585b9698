"""docs/architecture.md names every file, and only files that exist.

`python tests/test_architecture.py` writes its list of files anew, from the first lines
of the modules' docstrings.
"""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("common", "data_prep", "electra_tf", "tools")
BEGIN, END = "<!-- files: begin -->\n", "<!-- files: end -->\n"


def _first_line(path: pathlib.Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".:")


def _list_of_files() -> str:
    lines = []
    for package in PACKAGES:
        folders = {path.parent for path in (ROOT / package).rglob("*.py")}
        for folder in sorted(folders):
            name = folder.relative_to(ROOT)
            lines += ["", f"**{name}/** {_first_line(folder / '__init__.py')}", ""]
            for path in sorted(folder.glob("[!_]*.py")):
                lines.append(f"* `{path.stem}` {_first_line(path)}")
    return "\n".join(lines[1:]) + "\n"


def test_every_file_is_on_the_page_with_its_own_first_line():
    page = PAGE.read_text(encoding="utf-8")
    listed = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert listed == _list_of_files(), "run: python tests/test_architecture.py"


def test_every_file_the_page_leads_to_exists():
    page = PAGE.read_text(encoding="utf-8")
    packages = "common|configs|data_prep|electra_tf|tools|tests"
    named = re.findall(rf"`((?:{packages})/[\w/.]*)`", page)
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + _list_of_files() + END + after, encoding="utf-8")
