"""What is installed for TPUs, how the TPU is, and the command that mends what is not.

  python -m tools.tpu_doctor --bucket=gs://bucket/run                # on a TPU VM
  python -m tools.tpu_doctor --tpu=NAME --tpu_zone=europe-west4-a    # a TPU elsewhere
  python -m tools.tpu_doctor --tpu=none                              # packages alone

Exit code 1 if anything does not fit. --configure_tpu_version first has the TPU of that
name run the TensorFlow that is installed here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from absl import flags

from common import cli, files
from electra_tf.devices import tpu_node
from electra_tf.devices.tpu_node import Finding
from tools.tpu import packages

_TPU = flags.DEFINE_string(
    "tpu",
    "local",
    "'local': this TPU VM's; or a name, or grpc://host:port; 'none': packages alone.",
)
_TPU_ZONE = flags.DEFINE_string("tpu_zone", "", "The zone of a TPU given by name.")
_GCP_PROJECT = flags.DEFINE_string("gcp_project", "", "The project of such a TPU.")
_BUCKET = flags.DEFINE_string(
    "bucket", "", "A folder, such as gs://bucket/run, to write one byte to and read."
)
_CONFIGURE_TPU_VERSION = flags.DEFINE_bool(
    "configure_tpu_version", False, "Give the TPU this TensorFlow's version."
)

# The start of a pod may take most of it.
ANSWER_SECONDS = 900
# GiB of each device as TensorFlow counts them, from Google's data sheets.
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


def findings() -> Iterator[Finding]:
    tpu = _TPU.value
    yield from packages.findings(on_tpu_vm=tpu in ("local", "none"))
    imported = tensorflow_import()
    yield imported
    if tpu == "local" and not imported.mend:
        yield from local_tpu()
    elif tpu not in ("local", "none"):
        yield from named_tpu(tpu)
    if _BUCKET.value and not imported.mend:
        yield bucket(_BUCKET.value)


def tensorflow_import() -> Finding:
    """Whether TensorFlow can be imported: with a wrong libtpu the process aborts."""
    found = _in_new_process(_IMPORT)
    if "error" not in found:
        return Finding("import tensorflow", found["version"])
    mend = "rm -rf .venv-tpu && make setup-tpu; away from Google Cloud also: "
    mend += "export TPU_SKIP_MDS_QUERY=1"
    return Finding("import tensorflow", found["error"], mend)


def local_tpu() -> Iterator[Finding]:
    """Starts this machine's TPU, in a process that then lets go of it."""
    found = _in_new_process(_START)
    if "finding" in found:
        yield Finding(*found["finding"])
    elif "error" in found:
        yield Finding("TPU", found["error"], "sudo reboot, if it has worked before")
    else:
        kind = found["type"]
        yield Finding("TPU", f"{kind}, {len(found['devices'])} devices")
        memory = MEMORY_GIB.get(kind.split("-")[0], "? ")
        yield Finding("memory", f"{memory} GiB a device")
        event = tpu_node.metadata("instance/maintenance-event")
        yield Finding("maintenance", event or "not known")


def _in_new_process(code: str) -> dict:
    """What the code prints last, as JSON; {"error": ...} if it dies or hangs."""
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer in {ANSWER_SECONDS} s"}
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    said = done.stderr.strip().splitlines() or ["no message"]
    return {"error": f"ends with exit code {done.returncode}: {said[-1][:300]}"}


def named_tpu(tpu: str) -> Iterator[Finding]:
    """How the TPU of this name is, after it was given this TensorFlow, if asked to."""
    version = packages.tensorflow_version()
    try:
        node = tpu_node.Node(tpu, _TPU_ZONE.value, _GCP_PROJECT.value)
        yield Finding("TPU", f"{tpu} {node.accelerator_type()}")
        if _CONFIGURE_TPU_VERSION.value:
            node.set_version(version)
        yield from node.findings(version)
    except tpu_node.NotWell as error:
        yield error.finding


def bucket(path: str) -> Finding:
    """Writes an object of one byte, reads it and removes it."""
    target = os.path.join(path, f"tpu_doctor-{os.getpid()}")
    try:
        files.makedirs(path)
        files.write_text(target, "1")
        read = files.read_text(target)
        files.remove(target)
    # Each file system has errors of its own; that there is none for gs:// is one, too.
    except Exception as error:
        reason = str(error).splitlines()[0][:300]
        return Finding("bucket", f"{path}: {reason}", _mend_bucket(path, str(error)))
    if read != "1":
        return Finding("bucket", f"{path}: {read!r}, not '1', is read", "use another")
    return Finding("bucket", f"{path} can be written, read and removed from")


def _mend_bucket(path: str, error: str) -> str:
    name = "/".join(path.split("/")[:3])
    mends = {
        "not implemented": "pip install tensorflow-io-gcs-filesystem",
        "404": f"gcloud storage buckets create {name} --location=REGION_OF_THE_TPU",
        "403": f"gcloud storage buckets add-iam-policy-binding {name} --role="
        "roles/storage.objectAdmin --member=serviceAccount:ACCOUNT_OF_THE_VM; the VM "
        "needs --scopes=cloud-platform when it is created",
        "401": "gcloud auth application-default login",
    }
    found = [mend for words, mend in mends.items() if words in error]
    return found[0] if found else f"gcloud storage ls {name} says more"


def tpu_doctor() -> None:
    wrong = 0
    for subject, found, mend in findings():
        wrong += bool(mend)
        print(f"{'NOT OK' if mend else 'OK':6}  {subject:28}  {found}", flush=True)
        if mend:
            print(f"        {'to mend it':28}  {mend}", flush=True)
    print(f"{wrong} to mend" if wrong else "all fits")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(tpu_doctor)
