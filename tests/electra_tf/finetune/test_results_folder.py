"""An earlier result and the files of others outlive whatever happens to a new run."""

import dataclasses
import pathlib

import pytest
from helpers import claims, known_networks, processes, small
from helpers.known_networks import on_disk, run, saved_mark

from common import files
from common.errors import UserError
from electra_tf.finetune import model_folder
from electra_tf.finetune.kinds import table as kinds

pytestmark = pytest.mark.usefixtures("plain")


class Killed(BaseException):
    pass


class Mortal(list):
    """Accuracies of a seed in whose training the process dies."""

    def __getitem__(self, index):
        raise Killed


def anew(wanted: known_networks.Run) -> known_networks.Run:
    """The run with other settings and --overwrite."""
    settings = small.settings(learning_rate=0.5)
    return dataclasses.replace(wanted, settings=settings, overwrite=True)


def contents(folder: str) -> dict[str, bytes]:
    """Of all files below a folder."""
    found: dict[str, bytes] = {}
    for name in files.listdir(folder):
        path = f"{folder}/{name}"
        if files.isdir(path):
            found |= contents(path)
        else:
            with files.open_binary(path) as handle:
                found[path] = handle.read()
    return found


def test_the_files_of_a_model_are_known(tmp_path):
    kind, made = kinds.CLASSIFICATION, small.model(kinds.CLASSIFICATION)
    described, tokenizer = small.described(kind), small.tokenizer()
    model_folder.write(str(tmp_path), made, small.values(made), described, tokenizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        model_folder.FILES
    )


def test_a_result_stays_until_the_new_one_is_complete(networks, any_folder):
    before = run(any_folder)
    networks(before, s0=[0.9] * 3)
    kept = contents(before.output_dir)
    new = anew(before)
    with pytest.raises(Killed):
        networks(new, s1=[0.5] * 3, s2=Mortal())
    assert kept.items() <= contents(before.output_dir).items()
    assert on_disk(before).seeds[0].seed == 0
    # The same command again resumes, and puts the new result in its place.
    found, calls = networks(new, s1=[0.1] * 3, s2=[0.6] * 3)
    assert {call[0] for call in calls} == {2}
    assert on_disk(new) == found and [s.seed for s in found.seeds] == [1, 2]
    assert found.config["learning_rate"] == 0.5
    assert saved_mark(new.output_dir) == 21
    assert sorted(files.listdir(new.output_dir)) == ["model", "results.json"]


def test_an_unfinished_replacement_by_another_run_is_given_up(networks, tmp_path):
    before = run(tmp_path)
    networks(before, s0=[0.9] * 3)
    with pytest.raises(Killed):
        networks(anew(before), s1=[0.5] * 3, s2=Mortal())
    other = dataclasses.replace(before, random_init=True, overwrite=True)
    found, calls = networks(other, s1=[0.7] * 3)
    assert calls and found.init == "random"
    assert on_disk(other) == found and saved_mark(other.output_dir) == 11
    # Without --overwrite the folder is the new run's.
    with pytest.raises(UserError, match="is from another run: "):
        networks(before, s0=[0.9] * 3)


def test_a_result_stays_where_every_new_seed_fails(networks, tmp_path):
    before = run(tmp_path)
    networks(before, s0=[0.9] * 3)
    kept = contents(before.output_dir)
    networks(anew(before), s0=[None], s1=[0.5, None])
    assert kept.items() <= contents(before.output_dir).items()


def test_overwriting_nothing_is_a_new_run(networks, tmp_path):
    wanted = dataclasses.replace(run(tmp_path), overwrite=True)
    with pytest.raises(Killed):
        networks(wanted, s0=[0.9] * 3, s1=Mortal())
    assert [seed.seed for seed in on_disk(wanted).seeds] == [0]


@pytest.mark.parametrize("renames", range(9))
def test_a_replacement_that_is_interrupted_is_finished(
    networks, tmp_path, monkeypatch, renames
):
    before = run(tmp_path)
    networks(before, s0=[0.9] * 3)
    rename, left = files.rename, [renames]

    def mortal_rename(source: str, target: str) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(files, "rename", mortal_rename)
        if renames < 1 + len(model_folder.FILES):
            with pytest.raises(Killed):
                networks(anew(before), s1=[0.5] * 3)
    found, calls = networks(anew(before), s1=[0.5] * 3)
    assert bool(calls) == (renames > len(model_folder.FILES))
    assert on_disk(anew(before)) == found and saved_mark(before.output_dir) == 11
    assert sorted(files.listdir(before.output_dir)) == ["model", "results.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name",
    ["notes.txt", "model/mine.bin", "_progress/mine.txt", "more/a/b", "results.json~"],
)
def test_files_of_others_are_refused_by_name(networks, any_folder, name, overwrite):
    wanted = dataclasses.replace(run(any_folder), overwrite=overwrite)
    networks(wanted, s0=[0.9] * 3)
    path = pathlib.PurePosixPath(wanted.output_dir.removeprefix("gs://"), name)
    files.makedirs(str(path.parent))
    files.write_text(f"{wanted.output_dir}/{name}", "mine")
    kept = contents(wanted.output_dir)
    with pytest.raises(UserError, match=f"run_finetuning did not write: '{name}'"):
        networks(wanted, s1=[0.9] * 3)
    assert contents(wanted.output_dir) == kept


def test_a_half_written_file_of_a_killed_run_is_its_own(networks, tmp_path):
    wanted = run(tmp_path)
    networks(wanted, s0=[0.9] * 3)
    (tmp_path / "out" / "results.json.17-0123abcd.tmp").write_text("{")
    networks(wanted, s1=[0.5] * 3)
    assert [seed.seed for seed in on_disk(wanted).seeds] == [0, 1]


def test_a_file_is_no_folder(networks, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="out is a file, a folder is needed"):
        networks(dataclasses.replace(run(tmp_path), overwrite=True), s0=[0.5] * 3)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_in_which_another_process_works_is_refused(networks, tmp_path):
    wanted = run(tmp_path)
    networks(wanted, s0=[0.9] * 3)
    code = f"""
import time
from common import claim
claim.take({wanted.output_dir!r}, "run_finetuning")
print("taken", flush=True)
time.sleep(600)
"""
    with processes.running("-c", code) as other:
        other.wait_for("taken")
        with pytest.raises(UserError, match="run_finetuning, process .* still running"):
            networks(wanted, s1=[0.5] * 3)
    found, _ = networks(wanted, s1=[0.5] * 3)
    assert [seed.seed for seed in found.seeds] == [0, 1]


def test_a_run_whose_folder_was_taken_over_stops(networks, tmp_path):
    wanted = run(tmp_path)

    class Disturbed(list):
        def __getitem__(self, index):
            claims.take_over(wanted.output_dir)
            return 0.5

    with pytest.raises(UserError, match="process 7 of vm-2, works .* process stops"):
        networks(wanted, s0=[0.9] * 3, s1=Disturbed())
    assert [seed.seed for seed in on_disk(wanted).seeds] == [0]


def test_a_refused_folder_stays_as_it_is(networks, tmp_path):
    wanted = run(tmp_path)
    networks(wanted, s0=[0.9] * 3)
    kept = contents(wanted.output_dir)
    with pytest.raises(UserError, match="is from another run"):
        networks(dataclasses.replace(wanted, random_init=True), s0=[0.9] * 3)
    assert contents(wanted.output_dir) == kept
