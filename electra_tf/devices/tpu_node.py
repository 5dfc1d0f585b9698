"""The state of a TPU node according to Google Cloud, and how to fix what is wrong.

Asks the Cloud TPU API through cloud-tpu-client, and the metadata server of the machine.
TensorFlow is not imported, so that this works where it does not.
"""

import contextlib
import os
import re
import socket
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

from common.errors import UserError

# A request that takes longer has failed.
ANSWER_SECONDS = 10

_HINTS = {
    "HttpError 403": "the account needs the role roles/tpu.viewer, and the project the "
    "API: gcloud services enable tpu.googleapis.com",
    "HttpError 404": "there is no node of this name: gcloud compute tpus tpu-vm list "
    "--zone=ZONE lists them",
    "ApplicationDefaultCredentials": "gcloud auth application-default login",
    "urlopen error": "the node's place is unknown outside Google Cloud: pass "
    "--tpu_zone=... and --gcp_project=...",
}


class Finding(NamedTuple):
    """The state of one thing, and what to do or run if it is wrong."""

    subject: str
    status: str
    fix: str = ""


class NotWell(UserError):
    """A TPU cannot be used; `finding` says why and how to fix it."""

    def __init__(self, subject: str, status: str, fix: str):
        self.finding = Finding(subject, status, fix)
        super().__init__(f"{subject}: {status}. Fix: {fix}")


class Node:
    """A TPU given by name, or by the addresses grpc://host:port,host:port."""

    def __init__(self, name: str, zone: str = "", project: str = ""):
        """zone, project: asked of this machine's metadata server if empty.

        Raises:
          NotWell: cloud-tpu-client is missing, or says neither zone nor project.
        """
        try:
            from cloud_tpu_client import Client
        except ImportError as error:
            fix = "pip install 'korean-electra-tf[tpu]' && pip install --no-deps "
            fix += "cloud-tpu-client==0.10"
            raise NotWell("cloud-tpu-client", f"{error}", fix) from error
        self.name = name
        self._options = f" --zone={zone}" * bool(zone)
        self._options += f" --project={project}" * bool(project)
        with self._asking():
            self._client = Client(name, zone or None, project or None)

    def findings(self, tensorflow_version: str) -> list[Finding]:
        """State, health, version and addresses, up to the first that is wrong.

        Raises:
          NotWell: the API cannot be asked, or does not know the node.
        """
        findings = []
        with self._asking():
            if self._client.api_available():
                findings = [self._state(), self._health()]
            if not any(finding.fix for finding in findings):
                findings.append(self._version(tensorflow_version))
                findings += map(_reachable, self._client.network_endpoints())
        return findings

    def check(self, tensorflow_version: str) -> None:
        """Raises NotWell for the first of `findings` that needs a fix."""
        for subject, status, fix in self.findings(tensorflow_version):
            if fix:
                raise NotWell(f"TPU {self.name}, {subject}", status, fix)

    def set_version(self, tensorflow_version: str) -> None:
        """Has every worker run this TensorFlow; waits for those that restart.

        Raises:
          NotWell: a worker has no such version, or does not answer.
        """
        with self._asking():
            self._client.configure_tpu_version(tensorflow_version, "ifNeeded")
            if self._client.api_available():
                self._client.wait_for_healthy()

    def accelerator_type(self) -> str:
        """Such as "v3-8"; empty for a TPU given by its address."""
        with self._asking():
            return self._client.accelerator_type() or ""

    def _state(self) -> Finding:
        state, fix = self._client.state() or "STATE_UNSPECIFIED", ""
        if state in ("PREEMPTED", "TERMINATED"):
            fix = f"{self._gcloud('delete')}; create it again (docs/tpu-vm.md), then "
            fix += "run the same command: it resumes"
        elif state == "STOPPED":
            fix = self._gcloud("start")
        elif state != "READY":
            fix = f"wait until it is READY: {self._describe('state')}"
        return Finding("state", state, fix)

    def _health(self) -> Finding:
        health = self._client.health() or "HEALTH_UNSPECIFIED"
        if health in ("HEALTHY", "HEALTH_UNSPECIFIED"):  # old nodes do not report it
            return Finding("health", health)
        symptoms = [s.get("symptomType", "?") for s in self._client.symptoms() or []]
        status = ", ".join([health, *symptoms])
        fix = f"{self._gcloud('stop')} && {self._gcloud('start')}"
        if health == "UNHEALTHY_MAINTENANCE":
            fix = f"wait until it is HEALTHY: {self._describe('health')}"
        return Finding("health", status, fix)

    def _version(self, tensorflow_version: str) -> Finding:
        """Compares TensorFlow's minor version with the node's.

        Images such as tpu-ubuntu2204-base come without TensorFlow: nothing to compare.
        """
        runtime = self._runtime_version()
        theirs = re.search(r"\d+\.\d+", runtime)
        ours = re.match(r"\d+\.\d+", tensorflow_version)
        if not theirs or theirs[0] == ours[0]:
            return Finding("runtime version", runtime or "unknown")
        options = f"--tpu={self.name}" + self._options.replace("--zone", "--tpu_zone")
        options = options.replace("--project", "--gcp_project")
        return Finding(
            "runtime version",
            f"{runtime}, but TensorFlow here is {tensorflow_version}",
            f"python -m tools.tpu_doctor {options} --configure_tpu_version",
        )

    def _runtime_version(self) -> str:
        try:
            return self._client.runtime_version() or ""
        except OSError:
            if self._client.api_available():
                raise
            return ""  # an address need not serve its version

    def _gcloud(self, verb: str) -> str:
        return f"gcloud compute tpus tpu-vm {verb} {self.name}{self._options}"

    def _describe(self, field: str) -> str:
        return self._gcloud("describe") + f" --format='value({field})'"

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Waits ANSWER_SECONDS for each answer; any failure is a UserError."""
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(ANSWER_SECONDS)
        try:
            yield
        # The client raises ValueError, RuntimeError and plain Exception, and the
        # libraries under it have errors of their own.
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            hints = [hint for words, hint in _HINTS.items() if words in text]
            fix = hints[0] if hints else f"for details: {self._gcloud('describe')}"
            raise NotWell(f"TPU {self.name}, API", text, fix) from error
        finally:
            socket.setdefaulttimeout(before)


def _reachable(endpoint: dict[str, str]) -> Finding:
    """Checked here because TensorFlow would retry silently forever."""
    address = endpoint["ipAddress"], int(endpoint["port"])
    where = "{}:{}".format(*address)
    try:
        socket.create_connection(address, ANSWER_SECONDS).close()
    except OSError as error:
        return Finding(
            "address",
            f"{where} does not answer: {error}",
            "run this on a machine in the TPU's network and zone, and check that no "
            "firewall rule blocks it: gcloud compute firewall-rules list",
        )
    return Finding("address", f"{where} answers")


def metadata(path: str) -> str:
    """What this machine's metadata server says, such as of "instance/zone", or ""."""
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    request = urllib.request.Request(
        f"http://{host}/computeMetadata/v1/{path}",
        headers={"Metadata-Flavor": "Google"},
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.read().decode("utf-8")
    except OSError:
        return ""
