"""Input files found by patterns."""

import pytest

from common import files
from common.errors import UserError
from data_prep.raw import inputs


def test_inputs_are_sorted_and_each_once(write, tmp_path):
    b, a = write("b.txt", "나"), write("a.jsonl.gz", "")
    assert inputs.find([f"{tmp_path}/*", b]) == [a, b]
    assert inputs.find([b, f"{tmp_path}/*"]) == [b, a]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("no/*.txt", "no file matches '.*no/.*txt'"),
        ("folder", "folder is a folder, files are needed"),
    ],
)
def test_unusable_inputs_are_refused(write, tmp_path, pattern, message):
    write("folder/a.txt", "x")
    with pytest.raises(UserError, match=message):
        inputs.find([str(tmp_path / pattern)])


def test_a_version_is_of_one_state_of_a_file(any_folder):
    files.makedirs(any_folder)
    path, versions = f"{any_folder}/a.txt", []
    for text in ("나", "다"):
        files.write_text(path, text)
        versions += [inputs.version(path), inputs.version(path)]
    assert versions[::2] == versions[1::2]
    assert len(set(versions)) == 2
