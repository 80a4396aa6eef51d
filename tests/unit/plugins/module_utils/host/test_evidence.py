from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import evidence
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost

MACHINES = ["debian12-x86_64-server", "jetson-orin-nano-jp6", "raspberry-pi-4", "rhel9-foreign-agent"]


@pytest.mark.parametrize("name", MACHINES)
def test_every_probe_works_on_every_recorded_machine(recorded, name):
    found = evidence.collect(recorded(name))
    assert found["errors"] == []
    json.dumps(found)


@pytest.mark.parametrize("name", MACHINES)
def test_no_secret_is_in_the_evidence(recorded, name):
    text = json.dumps(evidence.collect(recorded(name)))
    assert "planted-secret" not in text
    assert "0123456789abcdef0123456789abcdef" not in text


def test_ports_have_their_process_and_unit(recorded):
    found = evidence.collect(recorded("debian12-x86_64-server"))
    ports = {entry["port"]: entry for entry in found["ports"]}
    assert ports[80] == {
        "port": 80, "address": "0.0.0.0", "pid": 900, "process": "nginx", "executable": "/usr/sbin/nginx", "unit": "nginx.service"}
    assert ports[6443]["unit"] == "k3s.service"


@pytest.mark.parametrize(("group", "unit"), [
    ("0::/system.slice/nginx.service", "nginx.service"),
    ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", "user@1000.service"),
    ("0::/system.slice/docker-0123.scope", ""),
    ("12:pids:/system.slice/nginx.service\n1:name=systemd:/system.slice/nginx.service\n0::/", "nginx.service"),
    ("4:memory:/k3s\n0::/k3s", "k3s.service"),
])
def test_the_unit_of_a_process(recorded, group, unit):
    host = recorded("debian12-x86_64-server")
    with open(host.path("/proc/900/cgroup"), "w", encoding="ascii") as stream:
        stream.write(group + "\n")
    ports = {entry["port"]: entry for entry in evidence.collect(host, only=("ports",))["ports"]}
    assert ports[80]["unit"] == unit


def test_a_k3s_server_and_its_cluster(recorded):
    found = evidence.collect(recorded("debian12-x86_64-server"))["k3s"]
    assert found["version"] == "v1.36.5+k3s1"
    assert found["role"] == "server"
    assert found["units"] == {"k3s.service": "edgeai"}
    assert found["datastore"] == "external"
    assert found["node_name"] == "hall1-server"
    assert found["node_password"] is True
    assert found["ca_sha256"] == hashlib.sha256(b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n").hexdigest()
    assert "token" in found["config"]["keys"]
    assert found["config"]["values"]["flannel-backend"] == "host-gw"


def test_an_agent_that_the_install_script_made(recorded):
    found = evidence.collect(recorded("rhel9-foreign-agent"))["k3s"]
    assert (found["role"], found["units"]) == ("agent", {"k3s-agent.service": "install-script"})
    assert found["server_url"] == "https://198.51.100.7:6443"
    assert found["containerd_templates"] == ["config.toml.tmpl"]


def test_nvidia_signs(recorded):
    desktop = evidence.collect(recorded("debian12-x86_64-server"))["nvidia"]
    assert desktop["pci"] == [{"slot": "0000:01:00.0", "class": "0x030200", "device": "0x27b8"}]
    assert "580.95.05" in desktop["driver"]


def test_tegra_signs(recorded):
    jetson = evidence.collect(recorded("jetson-orin-nano-jp6"))
    assert jetson["nvidia"]["tegra_release"].startswith("# R36 (release), REVISION: 4.0")
    assert "nvidia,tegra234" in jetson["nvidia"]["tegra_compatible"]
    assert jetson["machine"]["model"].startswith("NVIDIA Jetson Orin Nano")


def test_a_data_directory_on_a_noexec_disk(recorded):
    disks = evidence.collect(recorded("raspberry-pi-4"))["disks"]
    assert disks["/var/lib/rancher"]["noexec"] is True
    assert disks["/usr/local/bin"]["noexec"] is False


def test_a_probe_that_fails_is_an_error_and_hides_nothing(recorded):
    host = recorded("debian12-x86_64-server")
    host.read_bytes_really = host.read_bytes

    def broken(path, limit=0):
        if path == "/proc/meminfo":
            raise PermissionError(13, "Permission denied")
        return host.read_bytes_really(path, limit or 65536)

    host.read_bytes = broken
    found = evidence.collect(host)
    assert [entry["probe"] for entry in found["errors"]] == ["memory"]
    assert "Permission denied" in found["errors"][0]["error"]
    assert "memory" not in found and found["k3s"]["role"] == "server"


def test_systemctl_that_hangs_is_an_error(recorded):
    host = recorded("debian12-x86_64-server")
    host._run_command = lambda argv, timeout: (124, f"{argv[0]} did not end within {timeout} s")
    found = evidence.collect(host)
    assert "systemd" in [entry["probe"] for entry in found["errors"]]


def test_a_file_is_read_up_to_its_bound(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 1000)
    assert len(LocalHost(str(tmp_path)).read("/large", 100)) == 100


def test_a_fifo_in_place_of_a_file_does_not_hang(tmp_path):
    import os
    os.mkfifo(tmp_path / "pipe")
    assert LocalHost(str(tmp_path)).read("/pipe") == ""


def test_a_program_that_hangs_ends_at_its_deadline():
    code, output = LocalHost().run("sleep", "30", timeout=0.2)
    assert code == 124 and "did not end" in output


def test_this_machine_can_be_read():
    found = evidence.collect(LocalHost(), only=("machine", "memory", "network", "ports", "disks", "cgroup"))
    assert found["errors"] == []
    assert found["memory"]["total_bytes"] > 0
