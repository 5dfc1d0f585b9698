"""The doctor's report, of a stand-in for Google Cloud, and its exit code."""

import json
import re
import subprocess

import pytest
from helpers import ROOT, processes

from common import files
from common.errors import UserError
from tools import tpu_doctor
from tools.tpu import packages

MINE = ["--tpu=mine", "--tpu_zone=some-zone", "--gcp_project=some-project"]


@pytest.fixture
def doctor(cloud, tmp_path):
    """Runs the command with a `tensorflow` that is quick to import."""

    def run(*args: str, tensorflow: str = "__version__ = 'of this test'"):
        (tmp_path / "tensorflow.py").write_text(tensorflow)
        env = processes.environment(PYTHONPATH=f"{tmp_path}:{ROOT}")
        return processes.run("-m", "tools.tpu_doctor", *args, env=env)

    return run


def test_all_fits(cloud, doctor, tmp_path):
    done = doctor(*MINE, f"--bucket={tmp_path}/new/folder")
    rows = [line.split(None, 2) for line in done.out.splitlines()]
    assert rows[-1] == ["problems:", "0"], done.output
    found = {subject: value for _, subject, value in rows[:-1]}
    assert found["TPU"] == "mine v3-8"
    assert found["state"] == "READY"
    assert found["health"] == "HEALTHY"
    assert found["runtime"] == "version               tpu-ubuntu2204-base"
    assert found["address"] == f"{cloud.host} answers"
    assert found["import"] == "tensorflow             of this test"
    assert found["bucket"].endswith("can be written, read and deleted from")
    assert files.listdir(f"{tmp_path}/new/folder") == []
    assert done.code == 0


def test_tpu_of_another_version_is_configured(cloud, doctor):
    cloud.has(tensorflowVersion="2.15.0")
    version = packages.tensorflow_version()
    cloud.runtime_versions = [version]
    done = doctor(*MINE)
    assert done.code == 1
    assert f"2.15.0, but TensorFlow here is {version}" in done.out
    assert f"tools.tpu_doctor {' '.join(MINE)} --configure_tpu_version" in done.out
    assert done.out.endswith("problems: 1\n")
    done = doctor(*MINE, "--configure_tpu_version")
    assert done.code == 0, done.output
    assert cloud.configured == [f"{version} restartType=ifNeeded"]


def test_preempted_tpu(cloud, doctor):
    cloud.has(state="PREEMPTED")
    done = doctor(*MINE)
    assert done.code == 1
    assert "NOT OK  TPU" not in done.out
    assert "NOT OK  state                         PREEMPTED\n" in done.out
    assert "gcloud compute tpus tpu-vm delete mine --zone=some-zone" in done.out


def test_tpu_that_nobody_knows(cloud, doctor):
    cloud.node = None
    done = doctor(*MINE)
    assert done.code == 1
    assert "NOT OK  TPU mine, API" in done.out
    assert "gcloud compute tpus tpu-vm list" in done.out


def test_tensorflow_that_aborts_is_survived(doctor, tmp_path):
    aborts = "import os, sys\nprint('Op not available', file=sys.stderr, flush=True)\n"
    done = doctor(
        "--tpu=none", f"--bucket={tmp_path}", tensorflow=aborts + "os.abort()"
    )
    assert done.code == 1
    assert "ends with exit code -6: Op not available" in done.out
    assert "rm -rf .venv-tpu && make setup-tpu" in done.out
    assert "bucket" not in done.out


def answers(monkeypatch, answer: dict) -> None:
    """Lets any process print the answer."""
    ended = subprocess.CompletedProcess([], 0, json.dumps(answer) + "\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: ended)


def test_machine_without_a_tpu(monkeypatch):
    answer = {"finding": ["TPU local", "this machine has none", "run this elsewhere"]}
    answers(monkeypatch, answer)
    assert list(tpu_doctor.local_tpu()) == [tuple(answer["finding"])]


def test_local_tpu(cloud, monkeypatch):
    devices = [f"/device:TPU:{i}" for i in range(8)]
    answer = {"type": "v3-8", "devices": devices}
    answers(monkeypatch, answer)
    found = [each[:2] for each in tpu_doctor.local_tpu()]
    assert found == [
        ("TPU", "v3-8, 8 devices"),
        ("memory", "16 GiB a device"),
        ("maintenance", "NONE"),
    ]


def test_start_without_a_tpu_is_reported():
    """The code that starts a TPU, as it is, where there is none."""
    (found,) = tpu_doctor.local_tpu()
    assert found.subject == "TPU local"


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("File system scheme 'gs' not implemented", "tensorflow-io-gcs-filesystem"),
        ("HTTP response code 404", "gcloud storage buckets create gs://b --location="),
        ("HTTP response code 403", "binding gs://b .*roles/storage.objectAdmin"),
        ("something else", "gcloud storage ls gs://b"),
    ],
    ids=str,
)
def test_bucket_that_cannot_be_written(monkeypatch, error, fix):
    def fail(path, text):
        raise UserError(error)

    monkeypatch.setattr(files, "makedirs", lambda path: None)
    monkeypatch.setattr(files, "write_text", fail)
    found = tpu_doctor.bucket("gs://b/run")
    assert found.status == f"gs://b/run: {error}"
    assert re.search(fix, found.fix)
