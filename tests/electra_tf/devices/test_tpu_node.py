"""The state of a TPU given by name, and what a user is told to do."""

import socket

import cloud_tpu_client.client
import oauth2client.client
import pytest
from helpers import google_cloud

from electra_tf.devices import tpu_node

ZONE, PROJECT = "some-zone", "some-project"


@pytest.fixture
def has_credentials(monkeypatch) -> None:
    credentials = oauth2client.client.AccessTokenCredentials(google_cloud.TOKEN, "test")
    monkeypatch.setattr(
        oauth2client.client.GoogleCredentials,
        "get_application_default",
        lambda: credentials,
    )


@pytest.fixture
def node(cloud, has_credentials) -> tpu_node.Node:
    return tpu_node.Node("mine", ZONE, PROJECT)


def test_a_node_that_is_well_needs_nothing(cloud, node):
    found = node.findings("2.20.0")
    assert [(each.subject, each.status) for each in found] == [
        ("state", "READY"),
        ("health", "HEALTHY"),
        ("runtime version", "tpu-ubuntu2204-base"),
        ("address", f"{cloud.host} answers"),
    ]
    assert not any(each.fix for each in found)
    node.check("2.20.0")
    assert node.accelerator_type() == "v3-8"


@pytest.mark.parametrize(
    ("node_says", "message"),
    [
        (
            {"state": "PREEMPTED"},
            r"TPU mine, state: PREEMPTED. Fix: gcloud compute tpus tpu-vm delete"
            r" mine --zone=some-zone --project=some-project; create it again",
        ),
        ({"state": "TERMINATED"}, "tpu-vm delete mine"),
        ({"state": "STOPPED"}, "STOPPED. Fix: gcloud compute .* start mine"),
        ({"state": "REPAIRING"}, "wait until it is READY: gcloud .* describe mine"),
        (
            {
                "health": "UNHEALTHY_TENSORFLOW",
                "symptoms": [{"symptomType": "OUT_OF_MEMORY"}],
            },
            "health: UNHEALTHY_TENSORFLOW, OUT_OF_MEMORY. .* stop mine .* start mine",
        ),
        ({"health": "UNHEALTHY_MAINTENANCE"}, "wait until it is HEALTHY"),
        (
            {"tensorflowVersion": "tpu-vm-tf-2.17.1-pjrt"},
            "tpu-vm-tf-2.17.1-pjrt, but TensorFlow here is 2.20.0. Fix: "
            "python -m tools.tpu_doctor --tpu=mine --tpu_zone=some-zone "
            "--gcp_project=some-project --configure_tpu_version",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_comes_with_what_to_do(cloud, node, node_says, message):
    cloud.has(**node_says)
    with pytest.raises(tpu_node.NotWell, match=message):
        node.check("2.20.0")


def test_same_minor_version_fits(cloud, node):
    cloud.has(tensorflowVersion="tpu-vm-tf-2.20.1-pod-pjrt")
    node.check("2.20.0")


def test_node_that_is_not_there(cloud, node):
    cloud.node = None
    with pytest.raises(tpu_node.NotWell, match="404.*no node of this name"):
        node.check("2.20.0")


def test_address_that_nobody_listens_at(cloud, node):
    with socket.create_server((cloud.address, 0)) as server:
        port = server.getsockname()[1]
    endpoint = {"ipAddress": cloud.address, "port": str(port)}
    cloud.has(networkEndpoints=[endpoint])
    with pytest.raises(tpu_node.NotWell, match=f":{port} does not answer.*firewall"):
        node.check("2.20.0")


def test_api_that_never_answers_is_given_up(cloud, has_credentials, monkeypatch):
    monkeypatch.setattr(tpu_node, "ANSWER_SECONDS", 0.2)
    with socket.create_server((cloud.address, 0)) as silent:
        url = f"http://{cloud.address}:{silent.getsockname()[1]}"
        monkeypatch.setenv("TPU_API_DISCOVERY_URL", url)
        node = tpu_node.Node("mine", ZONE, PROJECT)
        with pytest.raises(tpu_node.NotWell, match="API: .*time.*describe mine"):
            node.check("2.20.0")
    assert socket.getdefaulttimeout() is None


def test_zone_and_project_come_from_the_metadata_server(cloud, node, monkeypatch):
    endpoint = "_GCE_METADATA_ENDPOINT"
    monkeypatch.setattr(cloud_tpu_client.client, endpoint, f"http://{cloud.host}")
    tpu_node.Node("mine").check("2.20.0")
    monkeypatch.setattr(cloud_tpu_client.client, endpoint, "http://127.0.0.1:1")
    with pytest.raises(tpu_node.NotWell, match="pass --tpu_zone=... and --gcp"):
        tpu_node.Node("mine")


def test_without_credentials_the_login_is_named(cloud, node, monkeypatch):
    def fail():
        raise oauth2client.client.ApplicationDefaultCredentialsError("none")

    credentials = oauth2client.client.GoogleCredentials
    monkeypatch.setattr(credentials, "get_application_default", fail)
    with pytest.raises(tpu_node.NotWell, match="gcloud auth application-default login"):
        node.check("2.20.0")


def test_workers_are_given_a_version(cloud, node):
    node.set_version("2.20.0")
    assert cloud.configured == ["2.20.0 restartType=ifNeeded"]
    node.check("2.20.0")
    with pytest.raises(tpu_node.NotWell, match="3.0.0 is not available"):
        node.set_version("3.0.0")


def test_a_tpu_given_by_address_says_its_version_alone(cloud):
    node = tpu_node.Node(f"grpc://{cloud.host}")
    assert [f.subject for f in node.findings("2.20.0")] == [
        "runtime version",
        "address",
    ]
    with pytest.raises(tpu_node.NotWell, match="2.20.0, but TensorFlow here is 2.21"):
        node.check("2.21.0")


def test_metadata(cloud, monkeypatch):
    assert tpu_node.metadata("instance/attributes/accelerator-type") == "v3-8"
    assert tpu_node.metadata("instance/no-such-thing") == ""
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    assert tpu_node.metadata("project/project-id") == ""
