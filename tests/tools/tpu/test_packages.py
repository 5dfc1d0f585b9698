"""The requirements files: what they ask for, and what the doctor makes of them."""

import configparser
from importlib import metadata

import pytest
from helpers import ROOT
from packaging.requirements import Requirement

from common.errors import UserError
from tools.tpu import packages


def lines(name: str) -> dict[str, Requirement]:
    return {r.name: r for r in packages.requirements(ROOT / name)}


def declared(section: str, option: str) -> list[Requirement]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = parser.get(section, option, raw=True).split("\n")
    return [Requirement(t) for t in texts if t and not t.startswith(("%", "#"))]


@pytest.mark.parametrize(
    ("section", "option"),
    [
        ("options", "install_requires"),
        ("options.extras_require", "tpu"),
        ("options.extras_require", "gcs"),
        ("options.extras_require", "plot"),
        ("options.extras_require", "finetune"),
    ],
)
def test_a_tpu_vm_gets_what_setup_cfg_declares(section, option):
    on_tpu_vms = lines("requirements-tpu.txt")
    wanted = [r for r in declared(section, option) if r.name != "tensorflow"]
    wanted = [r for r in wanted if not r.marker or r.marker.evaluate()]
    assert wanted
    for requirement in wanted:
        assert on_tpu_vms[requirement.name].specifier == requirement.specifier


def test_nothing_on_a_tpu_vm_brings_plain_tensorflow():
    assert "tensorflow" not in lines("requirements-tpu.txt")
    assert set(lines("requirements-tpu-nodeps.txt")) == {
        "tensorflow-text",
        "cloud-tpu-client",
    }


@pytest.fixture
def versions(monkeypatch):
    """Pretends that these packages are installed, each in a version that fits."""
    installed = {
        "tensorflow-tpu": "2.20.0",
        "libtpu": "0.0.30",
        "tensorflow-text": "2.20.1",
        "cloud-tpu-client": "0.10",
    }
    for name, wanted in lines("requirements-tpu.txt").items():
        lowest = min(s.version for s in wanted.specifier if s.operator in (">=", "=="))
        installed.setdefault(name, lowest)

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(packages.metadata, "version", version)
    return installed


def to_fix(on_tpu_vm: bool = True) -> list[tuple[str, str]]:
    found = packages.findings(on_tpu_vm)
    return [(each.subject, each.fix) for each in found if each.fix]


def test_what_fits_needs_nothing(versions):
    assert to_fix() == []
    assert packages.tensorflow_version() == "2.20.0"


def test_each_misfit_comes_with_its_command(versions):
    versions.update(libtpu="0.0.38", tensorflow="2.21.0")
    del versions["tensorflow-text"]
    assert to_fix() == [
        ("libtpu", "pip install 'libtpu<=0.0.30,>=0.0.20'"),
        ("tensorflow-text", "pip install --no-deps 'tensorflow-text==2.20.1'"),
        ("tensorflow", "rm -rf .venv-tpu && make setup-tpu"),
    ]


def test_plain_tensorflow_will_do_for_a_tpu_elsewhere(versions):
    for name in ("tensorflow-tpu", "libtpu", "tensorflow-text"):
        del versions[name]
    assert len(to_fix()) == 3
    with pytest.raises(UserError, match="TensorFlow is not installed: make setup-tpu"):
        packages.tensorflow_version()
    versions["tensorflow"] = "2.21.0"
    assert to_fix(on_tpu_vm=False) == []
    assert packages.tensorflow_version() == "2.21.0"
