"""Checks the packages for TPUs and the TPU; prints the command that fixes a problem.

  python -m tools.tpu_doctor --bucket=gs://bucket/run                # on a TPU VM
  python -m tools.tpu_doctor --tpu=NAME --tpu_zone=europe-west4-a    # a TPU elsewhere
  python -m tools.tpu_doctor --tpu=none                              # packages only

Exit code 1: something needs a fix.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from common import cli, files
from common.cli import flag
from electra_tf.devices import tpu_node
from electra_tf.devices.tpu_node import Finding
from tools.tpu import packages

# Starting a pod may take most of this time.
ANSWER_SECONDS = 900
# GiB of a device as TensorFlow counts devices, from Google's data sheets.
MEMORY_GIB = {"v2": 8, "v3": 16, "v4": 32, "v5litepod": 16, "v5p": 95, "v6e": 32}

_IMPORT = """
import json, tensorflow as tf
print(json.dumps({"version": tf.__version__}))
"""
_START = """
import json
from electra_tf.devices import tpu, tpu_node
try:
    devices = tpu.make_strategy("local").extended.worker_devices
    print(json.dumps({"type": tpu.accelerator_type(), "devices": devices}))
except tpu_node.NotWell as error:
    print(json.dumps({"finding": error.finding}))
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to check."""

    tpu: str = flag(
        "local",
        "'local': this TPU VM's TPU; a TPU's name or grpc://host:port; or 'none': "
        "packages only.",
    )
    tpu_zone: str = flag("", "Zone of a TPU given by name.")
    gcp_project: str = flag("", "Project of a TPU given by name.")
    bucket: str = flag(
        "",
        "Folder, such as gs://bucket/run, to write one byte to and read it back.",
        writes="folder",
    )
    configure_tpu_version: bool = flag(
        False, "First switch the TPU given by name to the TensorFlow installed here."
    )


def findings(settings: Settings) -> Iterator[Finding]:
    tpu = settings.tpu
    yield from packages.findings(on_tpu_vm=tpu in ("local", "none"))
    imported = tensorflow_import()
    yield imported
    if tpu == "local" and not imported.fix:
        yield from local_tpu()
    elif tpu not in ("local", "none"):
        yield from named_tpu(settings)
    if settings.bucket and not imported.fix:
        yield bucket(settings.bucket)


def tensorflow_import() -> Finding:
    """Whether TensorFlow can be imported; a wrong libtpu aborts the process."""
    answer = _in_new_process(_IMPORT)
    if "error" not in answer:
        return Finding("import tensorflow", answer["version"])
    fix = "rm -rf .venv-tpu && make setup-tpu; outside Google Cloud also: "
    fix += "export TPU_SKIP_MDS_QUERY=1"
    return Finding("import tensorflow", answer["error"], fix)


def local_tpu() -> Iterator[Finding]:
    """Starts this machine's TPU, in a process that releases it when it ends."""
    answer = _in_new_process(_START)
    if "finding" in answer:
        yield Finding(*answer["finding"])
    elif "error" in answer:
        yield Finding("TPU", answer["error"], "if it worked before: sudo reboot")
    else:
        kind = answer["type"]
        yield Finding("TPU", f"{kind}, {len(answer['devices'])} devices")
        memory = MEMORY_GIB.get(kind.split("-")[0], "? ")
        yield Finding("memory", f"{memory} GiB a device")
        event = tpu_node.metadata("instance/maintenance-event")
        yield Finding("maintenance", event or "unknown")


def _in_new_process(code: str) -> dict:
    """The JSON of the code's last line; {"error": ...} if it fails or hangs."""
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer in {ANSWER_SECONDS} s"}
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    lines = done.stderr.strip().splitlines() or ["no message"]
    return {"error": f"ends with exit code {done.returncode}: {lines[-1][:300]}"}


def named_tpu(settings: Settings) -> Iterator[Finding]:
    """The state of a TPU given by name; first switches its version, if asked to."""
    version = packages.tensorflow_version()
    try:
        node = tpu_node.Node(settings.tpu, settings.tpu_zone, settings.gcp_project)
        yield Finding("TPU", f"{settings.tpu} {node.accelerator_type()}")
        if settings.configure_tpu_version:
            node.set_version(version)
        yield from node.findings(version)
    except tpu_node.NotWell as error:
        yield error.finding


def bucket(path: str) -> Finding:
    """Writes an object of one byte, reads it back and removes it."""
    target = os.path.join(path, f"tpu_doctor-{os.getpid()}")
    try:
        files.makedirs(path)
        files.write_text(target, "1")
        read = files.read_text(target)
        files.remove(target)
    # Each file system has errors of its own, as has a missing one for gs://.
    except Exception as error:
        reason = str(error).splitlines()[0][:300]
        return Finding("bucket", f"{path}: {reason}", _bucket_fix(path, str(error)))
    if read != "1":
        return Finding(
            "bucket", f"{path}: wrote '1', read {read!r}", "use another bucket"
        )
    return Finding("bucket", f"{path} can be written, read and deleted from")


def _bucket_fix(path: str, error: str) -> str:
    name = "/".join(path.split("/")[:3])
    fixes = {
        "not implemented": "pip install tensorflow-io-gcs-filesystem",
        "404": f"gcloud storage buckets create {name} --location=REGION_OF_THE_TPU",
        "403": f"gcloud storage buckets add-iam-policy-binding {name} --role="
        "roles/storage.objectAdmin --member=serviceAccount:ACCOUNT_OF_THE_VM; the VM "
        "needs --scopes=cloud-platform when it is created",
        "401": "gcloud auth application-default login",
    }
    fitting = [fix for words, fix in fixes.items() if words in error]
    return fitting[0] if fitting else f"for details: gcloud storage ls {name}"


def tpu_doctor(settings: Settings) -> None:
    problems = 0
    for subject, status, fix in findings(settings):
        problems += bool(fix)
        print(f"{'NOT OK' if fix else 'OK':6}  {subject:28}  {status}", flush=True)
        if fix:
            print(f"        {'fix':28}  {fix}", flush=True)
    print(f"problems: {problems}")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(tpu_doctor)
