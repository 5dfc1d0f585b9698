"""Where files lie: small folders, and tests that mirror the modules they test."""

import pathlib

from helpers import ROOT, TESTS

PACKAGES = ("common", "data_prep", "electra_tf", "tools")
# Tests of several modules together.
SCENARIOS = """
    data_prep/records/test_tensorflow_text
    data_prep/rules/test_default_recipe
    data_prep/rules/test_published_recipes
    data_prep/test_stages
    electra_tf/finetune/test_guide
    electra_tf/finetune/test_multiworker
    electra_tf/finetune/test_replicas
    electra_tf/pretrain/test_elastic
    electra_tf/pretrain/test_kills
    electra_tf/pretrain/test_multiworker
    electra_tf/pretrain/test_replicas
""".split()


def _modules() -> list[pathlib.Path]:
    return [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]


def test_no_folder_has_more_than_sixteen_modules():
    folders = [path.parent for path in _modules() if path.name != "__init__.py"]
    assert not {str(f) for f in folders if folders.count(f) > 16}


def test_no_file_name_repeats_its_folders():
    repeating = [p for p in _modules() if p.parent.name in p.stem.split("_")]
    assert repeating == []


def test_every_test_file_lies_where_its_module_does():
    tests = {
        path.relative_to(TESTS).with_suffix("").as_posix()
        for package in PACKAGES
        for path in (TESTS / package).rglob("test_*.py")
    }
    modules = {
        path.relative_to(ROOT).with_name(f"test_{path.stem}").as_posix()
        for path in _modules()
    }
    assert tests - modules == set(SCENARIOS)
