"""A TPU node: what Google Cloud says of it, and what to do about that.

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

from common.cli import UserError

# A request that takes longer is taken for no answer.
ANSWER_SECONDS = 10

_HINTS = {
    "HttpError 403": "the account needs the role roles/tpu.viewer, and the project the "
    "API: gcloud services enable tpu.googleapis.com",
    "HttpError 404": "no node of this name is there: gcloud compute tpus tpu-vm list "
    "--zone=ZONE lists what is",
    "ApplicationDefaultCredentials": "gcloud auth application-default login",
    "urlopen error": "away from Google Cloud nothing says where the node is: give "
    "--tpu_zone= and --gcp_project=",
}


class Finding(NamedTuple):
    """What was found of one thing, and the command that mends it, if one is needed."""

    subject: str
    found: str
    mend: str = ""


class NotWell(UserError):
    """A TPU cannot be used; `finding` says why, and what to do."""

    def __init__(self, finding: Finding):
        self.finding = finding
        super().__init__(
            f"{finding.subject}: {finding.found}. To mend it: {finding.mend}"
        )


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
            mend = "pip install 'korean-electra-tf[tpu]' && pip install --no-deps "
            mend += "cloud-tpu-client==0.10"
            raise NotWell(Finding("cloud-tpu-client", f"{error}", mend)) from error
        self.name = name
        self._options = f" --zone={zone}" * bool(zone)
        self._options += f" --project={project}" * bool(project)
        with self._asking():
            self._client = Client(name, zone or None, project or None)

    def findings(self, tensorflow_version: str) -> list[Finding]:
        """State, health, version and addresses; the first that is wrong comes last.

        Raises:
          NotWell: the API cannot be asked, or does not know the node.
        """
        found = []
        with self._asking():
            if self._client.api_available():
                found = [self._state(), self._health()]
            if all(not finding.mend for finding in found):
                found.append(self._version(tensorflow_version))
                found += self._endpoints()
        return found

    def check(self, tensorflow_version: str) -> None:
        """Raises NotWell for what `findings` says must be mended."""
        for finding in self.findings(tensorflow_version):
            if finding.mend:
                raise NotWell(finding._replace(subject=self._said(finding.subject)))

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
        state = self._client.state() or "STATE_UNSPECIFIED"
        if state == "READY":
            return Finding("state", state)
        if state in ("PREEMPTED", "TERMINATED"):
            mend = f"{self._gcloud('delete')}; create it again (docs/tpu-vm.md); then "
            return Finding("state", state, mend + "the same command goes on")
        if state == "STOPPED":
            return Finding("state", state, self._gcloud("start"))
        look = self._gcloud("describe") + " --format='value(state)'"
        return Finding("state", state, f"wait until it is READY: {look}")

    def _health(self) -> Finding:
        health = self._client.health() or "HEALTH_UNSPECIFIED"
        if health in ("HEALTHY", "HEALTH_UNSPECIFIED"):  # old nodes never say
            return Finding("health", health)
        symptoms = [s.get("symptomType", "?") for s in self._client.symptoms() or []]
        found = ", ".join([health, *symptoms])
        if health == "UNHEALTHY_MAINTENANCE":
            look = self._gcloud("describe") + " --format='value(health)'"
            return Finding("health", found, f"wait until it is HEALTHY: {look}")
        restart = f"{self._gcloud('stop')} && {self._gcloud('start')}"
        return Finding("health", found, restart)

    def _version(self, tensorflow_version: str) -> Finding:
        """Compares TensorFlow's minor version with the node's.

        Images such as tpu-ubuntu2204-base bring no TensorFlow and have none to compare.
        """
        runtime = self._runtime_version()
        theirs = re.search(r"\d+\.\d+", runtime)
        ours = re.match(r"\d+\.\d+", tensorflow_version)
        if not theirs or theirs[0] == ours[0]:
            return Finding("runtime version", runtime or "unknown")
        place = f"--tpu={self.name}" + self._options.replace("--zone", "--tpu_zone")
        place = place.replace("--project", "--gcp_project")
        return Finding(
            "runtime version",
            f"{runtime}, but TensorFlow here is {tensorflow_version}",
            f"python -m tools.tpu_doctor {place} --configure_tpu_version",
        )

    def _runtime_version(self) -> str:
        try:
            return self._client.runtime_version() or ""
        except OSError:
            if self._client.api_available():
                raise
            return ""  # an address may well have no such service beside it

    def _endpoints(self) -> list[Finding]:
        return [_reachable(e) for e in self._client.network_endpoints()]

    def _said(self, subject: str) -> str:
        return f"TPU {self.name}, {subject}"

    def _gcloud(self, verb: str) -> str:
        return f"gcloud compute tpus tpu-vm {verb} {self.name}{self._options}"

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Waits ANSWER_SECONDS for each answer; whatever goes wrong is a UserError."""
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(ANSWER_SECONDS)
        try:
            yield
        # The client raises ValueError, RuntimeError and plain Exception, and the
        # libraries under it have errors of their own.
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            hints = [hint for words, hint in _HINTS.items() if words in text]
            mend = hints[0] if hints else self._gcloud("describe") + " says more"
            raise NotWell(Finding(self._said("API"), text, mend)) from error
        finally:
            socket.setdefaulttimeout(before)


def _reachable(endpoint: dict[str, str]) -> Finding:
    """TensorFlow itself would try for ever, without a word."""
    address = endpoint["ipAddress"], int(endpoint["port"])
    where = "{}:{}".format(*address)
    try:
        socket.create_connection(address, ANSWER_SECONDS).close()
    except OSError as error:
        return Finding(
            "address",
            f"{where} does not answer: {error}",
            "start this on a machine of the TPU's own network and zone, and see that "
            "no firewall rule is between: gcloud compute firewall-rules list",
        )
    return Finding("address", f"{where} answers")


def metadata(path: str) -> str:
    """What the metadata server of this machine says; empty where there is none.

    Args:
      path: such as "instance/attributes/accelerator-type".
    """
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
