"""Outputs that would meet inputs are refused before anything is written."""

import dataclasses
import os
import pathlib

import pytest

from common import paths
from common.cli import flag
from common.errors import UserError


@dataclasses.dataclass(frozen=True)
class Flags:
    """Flags of a command."""

    input: tuple[str, ...] = flag((), "Files or patterns.", reads=True)
    data_dir: str = flag("", "Folder of records/.", reads=("records",))
    hparams: str = flag("", "JSON or a file.", reads=True)
    name: str = flag("", "No path.")
    output_dir: str = flag("", "Folder.", writes="folder")
    output: str | None = flag(None, "File.", writes="file")
    overwrite: bool = flag(False, "Replace.")


@pytest.fixture
def work(tmp_path, monkeypatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    for name in ("raw/a.txt", "raw/b.txt", "raw/deep/c.txt", "w/records/r", "out/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to("raw")
    return tmp_path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input": ("raw",), "output_dir": "raw"}, "--output_dir=raw is the input"),
        ({"input": ("raw/",), "output_dir": "./raw"}, "is the input --input"),
        ({"input": ("raw/a.txt",), "output_dir": "raw"}, "contains the input"),
        ({"input": ("raw/*.txt",), "output_dir": "raw"}, "contains the input"),
        ({"input": ("raw/deep",), "output_dir": "raw"}, "contains the input"),
        ({"input": ("raw",), "output_dir": "raw/new/er"}, "lies inside the input"),
        ({"input": ("x", "raw/*"), "output_dir": "raw/deep"}, "is the input"),
        ({"input": ("link/a.txt",), "output_dir": "raw"}, "contains the input"),
        ({"input": ("raw/a.txt",), "output_dir": "link"}, "contains the input"),
        ({"input": ("missing/prefix-1",), "output_dir": "missing"}, "contains"),
        ({"input": ("gs://b/raw/a",), "output_dir": "gs://b/raw/"}, "contains"),
        ({"input": ("gs://b/raw/",), "output_dir": "gs://b/raw/new"}, "lies inside"),
        ({"data_dir": "w", "output_dir": "w/records"}, "is the input --data_dir"),
        ({"data_dir": "w", "output_dir": "w"}, "contains the input --data_dir"),
        ({"hparams": "raw/a.txt", "output_dir": "raw"}, "contains the input --hparams"),
        ({"input": ("raw/a.txt",), "output": "raw/a.txt"}, "is the input"),
        ({"input": ("raw",), "output": "raw"}, "is the input"),
        ({"output": "out/x"}, "--output=out/x exists.*--overwrite"),
    ],
)
def test_refuses(work, values, message):
    with pytest.raises(UserError, match=message):
        paths.check([Flags(**values)])
    if "output_dir" in values:
        with pytest.raises(UserError, match=message):
            paths.check([Flags(**values, overwrite=True)])


@pytest.mark.parametrize(
    "values",
    [
        {"input": ("raw",), "output_dir": "raw2"},
        {"input": ("raw/*.txt",), "output_dir": "raw/deep/er"},
        {"data_dir": "w", "output_dir": "w/model"},
        {"hparams": '{"seed": 1}', "output_dir": "out"},
        {"name": "raw", "output_dir": "raw"},
        {"input": ("raw",), "output": "raw/new.png"},
        {"output": "out/x", "overwrite": True},
        {"input": ("gs://b/raw",), "output_dir": "gs://b/raw2"},
    ],
)
def test_allows(work, values):
    paths.check([Flags(**values)])


def test_flags_of_several_dataclasses_are_compared(work):
    with pytest.raises(UserError, match="contains the input --input"):
        paths.check([Flags(input=("raw/a.txt",)), Flags(output_dir="raw")])
    assert os.path.exists("raw/a.txt")
