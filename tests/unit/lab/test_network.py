"""Which Podman networks stand in a lab's way, and which of them it may displace."""

from pathlib import Path

import pytest
from edgelab import network
from edgelab.errors import LabError
from edgelab.fleet import Fleet, Host

HOST = Host("one", "10.89.78.11", "k3s_server", "none", "factory")
FLEET = Fleet("molecule-k3s", Path("/new/molecule/k3s"), "10.89.78.0/24", (HOST,))


def described(name, subnet="10.89.78.0/24", owner="/old/molecule/k3s", **labels):
    labels = {f"edgeai.lab.{key}": value for key, value in labels.items()}
    if owner:
        labels.update({"edgeai.lab": name, "edgeai.lab.inventory": owner})
    return {"name": name, "subnets": [{"subnet": subnet}], "labels": labels}


@pytest.mark.parametrize(
    "networks, in_the_way",
    [
        ([], []),
        ([described("podman", "10.88.0.0/16", owner="")], []),
        ([described("edgelab-molecule-k3s", owner="/new/molecule/k3s")], []),
        ([described("edgelab-molecule-k3s")], ["edgelab-molecule-k3s"]),
        ([described("edgelab-molecule-k3s", "10.1.1.0/24", "/new/molecule/k3s")], ["edgelab-molecule-k3s"]),
        ([described("edgelab-molecule-site"), described("edgelab-demo", "10.89.77.0/24")], ["edgelab-molecule-site"]),
    ],
)
def test_what_stands_in_the_way(networks, in_the_way):
    assert [found.network for found in network.obstacles(networks, FLEET)] == in_the_way


@pytest.mark.parametrize(
    "other, disposable, allowed",
    [
        (described("edgelab-molecule-site", disposable="yes"), True, True),
        (described("edgelab-molecule-site", disposable="yes"), False, False),
        (described("edgelab-molecule-site"), True, False),
        # The label alone does not make it one of ours.
        (described("somebody", owner="", disposable="yes"), True, False),
    ],
)
def test_only_a_disposable_lab_displaces_and_only_disposable_ones(monkeypatch, other, disposable, allowed):
    monkeypatch.setattr(network, "_networks", lambda: [other])
    if allowed:
        assert network.in_the_way(FLEET, disposable) == [other["name"]]
    else:
        with pytest.raises(LabError, match="in use by Podman network"):
            network.in_the_way(FLEET, disposable)
