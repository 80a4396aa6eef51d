"""Each check with both outcomes: break one thing on a healthy host, and see that one verdict and its remedy."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import verdicts
from ansible_collections.edgeai.sites.plugins.module_utils.host.evidence import collect

MIB = 1024 * 1024
NOW = 1795453972.0  # the time of the recordings


def worst(evidence, intent, check):
    order = ["error", "fail", "inconclusive", "warn", "pass"]
    found = [entry for entry in verdicts.judge(evidence, intent) if entry["check"] == check]
    return min(found, key=lambda entry: order.index(entry["verdict"])) if found else None


def test_a_healthy_host_passes_everything(server):
    evidence, intent = server
    found = verdicts.judge(evidence, intent)
    assert [entry for entry in found if entry["verdict"] != "pass"] == []
    assert {entry["check"] for entry in found} == {
        "architecture", "memory", "disk", "cgroups", "systemd", "kernel_modules", "iptables", "firewall", "security_modules",
        "ports", "resolver", "default_route", "address", "clock", "time_sync", "node_name", "one_runtime", "existing_k3s",
        "gpu"}


FOREIGN = {"pid": 900, "process": "nginx", "executable": "/usr/sbin/nginx", "unit": "nginx.service"}

# check, what to change in the evidence, what to change in the intent, verdict, a word of the finding, a word of the remedy
CASES = [
    ("architecture", {"machine/arch": "aarch64"}, {}, "fail", "aarch64", "arch: arm64"),
    ("architecture", {"machine/arch": "riscv64"}, {}, "fail", "riscv64", "other hardware"),
    ("architecture", {"machine/arch": "aarch64"}, {"arch": "arm64"}, "pass", "arm64", ""),
    ("memory", {"memory/total_bytes": 512 * MIB}, {}, "fail", "512 MiB", "k3s_agent"),
    ("memory", {"memory/total_bytes": 926 * MIB}, {}, "warn", "926 MiB", "disable"),
    ("memory", {"memory/total_bytes": 480 * MIB}, {"runtime": "k3s_agent"}, "pass", "480 MiB", ""),
    ("memory", {"memory/total_bytes": 256 * MIB}, {"runtime": "k3s_agent"}, "fail", "256 MiB", "512 MiB"),
    ("disk", {"disks//var/lib/rancher/noexec": True}, {}, "fail", "noexec", "remount,exec"),
    ("disk", {"disks//usr/local/bin/read_only": True}, {}, "fail", "read-only", "remount,rw"),
    ("disk", {"disks//var/lib/rancher/free_bytes": 100 * MIB}, {}, "warn", "100 MiB", "journalctl"),
    ("disk", {"disks//var/lib/rancher/free_bytes": 100 * MIB, "k3s/role": ""}, {}, "fail", "100 MiB", "journalctl"),
    ("disk", {}, {"disk_mib": 40 * 1024}, "warn", "20480 MiB", "larger disk"),
    ("cgroups", {"cgroup": {"version": 1, "controllers": ["memory", "cpu"]}}, {}, "fail", "cgroup v1", "unified_cgroup_hierarchy=1"),
    ("cgroups", {"cgroup": {"version": 1, "controllers": ["memory"]}}, {"kubelet_args": ["fail-cgroupv1=false"]}, "warn",
     "allowed", "cgroup v2"),
    ("cgroups", {"cgroup": {"version": 1, "controllers": ["memory"]}}, {"k3s_version": "v1.34.12+k3s1"}, "pass", "v1", ""),
    ("cgroups", {"cgroup": {"version": 1, "controllers": ["cpu"]}}, {"k3s_version": "v1.34.12+k3s1"}, "fail", "without memory",
     "cgroup_enable=memory"),
    ("cgroups", {"cgroup/controllers": ["cpu", "cpuset", "pids"]}, {}, "fail", "without memory", "cgroup_enable=memory"),
    ("cgroups", {"cgroup/controllers": ["cpu", "memory", "pids"]}, {}, "fail", "without cpuset", "cpuset"),
    ("systemd", {"systemd/version": 237}, {}, "fail", "systemd 237", "Debian 10"),
    ("systemd", {"systemd/version": 0}, {}, "fail", "does not run", "Debian 10"),
    ("kernel_modules", {"modules/state/vxlan": {"loaded": False, "works": False, "loadable": False}}, {}, "fail", "vxlan",
     "flannel-backend: host-gw"),
    ("kernel_modules", {"modules/state/vxlan": {"loaded": False, "works": False, "loadable": False}},
     {"flannel_backend": "host-gw"}, "pass", "all there", ""),
    ("kernel_modules", {"modules/state/overlay": {"loaded": False, "works": False, "loadable": False}, "modules/tree": False}, {},
     "inconclusive", "overlay", "check-config"),
    ("iptables", {"iptables/version": "1.8.4"}, {}, "warn", "1.8.4", "prefer-bundled-bin"),
    ("iptables", {"iptables/version": "1.8.5"}, {}, "pass", "1.8.5", ""),
    ("iptables", {"iptables/version": ""}, {}, "pass", "none", ""),
    ("firewall", {"systemd/units/firewalld.service": {"active": "active"}}, {}, "warn", "firewalld", "--add-port=8472/udp"),
    ("firewall", {"systemd/units/firewalld.service": {"active": "active"}}, {"flannel_backend": "host-gw"}, "warn", "firewalld",
     "--add-port=6443/tcp"),
    ("firewall", {"systemd/units/ufw.service": {"active": "active"}}, {}, "pass", "none", ""),
    ("firewall", {"systemd/units/ufw.service": {"active": "active"}, "security/ufw_enabled": True}, {}, "warn", "ufw", "ufw allow 6443"),
    ("security_modules", {"security/selinux": "enforcing"}, {}, "warn", "SELinux", "k3s-selinux"),
    ("security_modules", {"security/selinux": "enforcing", "security/selinux_k3s_policy": True}, {}, "pass", "enforcing", ""),
    ("ports", {"ports": [dict(FOREIGN, port=6443, address="0.0.0.0")]}, {}, "fail", "nginx (pid 900, nginx.service)",
     "systemctl disable --now nginx.service"),
    ("ports", {"ports": [dict(FOREIGN, port=10250, address="192.0.2.11", unit="")]}, {"runtime": "k3s_agent"}, "fail", "10250", "kill 900"),
    ("ports", {"ports": [dict(FOREIGN, port=6443, address="::", unit="user@1000.service")]}, {}, "fail", "user@1000.service", "kill 900"),
    ("ports", {"ports": [dict(FOREIGN, port=6443, address="0.0.0.0")]}, {"runtime": "k3s_agent"}, "pass", "free", ""),
    ("ports", {"ports": [dict(FOREIGN, port=10248, address="127.0.0.1")]}, {}, "fail", "10248", "nginx"),
    ("ports", {"ports": [dict(FOREIGN, port=10248, address="192.0.2.11")]}, {}, "pass", "free", ""),
    ("ports", {"ports": [{"port": 6443, "address": "::"}]}, {}, "fail", "could not be seen", "ss -lntp"),
    ("ports", {"ports": [dict(FOREIGN, port=6443, address="::", unit="k3s.service")]}, {}, "pass", "held by this K3s", ""),
    ("ports", {"ports": [{"port": 6443, "address": "::", "pid": 950, "process": "python3", "executable": "", "unit": ""}]}, {},
     "pass", "held by this K3s", ""),
    ("resolver", {"resolver": {"/etc/resolv.conf": {"nameservers": ["127.0.0.53"], "usable": []}}}, {}, "warn", "127.0.0.53",
     "host_resolvers"),
    ("resolver", {"resolver": {}}, {}, "warn", "no nameserver", "8.8.8.8"),
    ("resolver", {"resolver": {}}, {"resolver_planned": True}, "pass", "the step host writes", ""),
    ("resolver", {"resolver": {"/etc/edgeai/resolv.conf": {"nameservers": ["192.0.2.54"], "usable": ["192.0.2.54"]},
                               "/etc/resolv.conf": {"nameservers": ["127.0.0.53"], "usable": []}}}, {}, "pass", "192.0.2.54", ""),
    ("resolver", {"resolver": {"/etc/own": {"nameservers": ["127.0.0.1"], "usable": []},
                               "/etc/resolv.conf": {"nameservers": ["192.0.2.53"], "usable": ["192.0.2.53"]}}},
     {"resolv_conf": "/etc/own"}, "warn", "127.0.0.1", "host_resolvers"),
    ("resolver", {"resolver": {"/etc/resolv.conf": {"nameservers": ["127.0.0.53"], "usable": []},
                               "/run/systemd/resolve/resolv.conf": {"nameservers": ["192.0.2.53"], "usable": ["192.0.2.53"]}}}, {},
     "pass", "192.0.2.53", ""),
    ("default_route", {"network/default_routes": []}, {}, "fail", "none", "host_isolated: true"),
    ("default_route", {"network/default_routes": []}, {"isolated": True, "flannel_iface": "eno1"}, "pass", "dummy", ""),
    ("default_route", {"network/default_routes": []}, {"isolated": True}, "warn", "flannel", "flannel-iface: eno1"),
    ("default_route", {"network/default_routes": [{"interface": "edgeai0", "gateway": "203.0.113.255", "metric": 1000}]}, {}, "fail",
     "only the dummy one", "host_isolated"),
    ("default_route", {"network/default_routes": [], "network/default_routes_v6":
                       [{"interface": "eth0", "gateway": "2001:db8::1", "metric": 1}]}, {}, "fail", "none", "gateway"),
    ("default_route", {"network/default_routes": [], "network/default_routes_v6":
                       [{"interface": "eth0", "gateway": "2001:db8::1", "metric": 1}]}, {"address": "2001:db8::11"}, "pass",
     "2001:db8::1", ""),
    ("address", {"network/addresses": ["10.0.0.5"]}, {}, "warn", "192.0.2.11", "node-ip"),
    ("clock", {"controller_clock": {"before": NOW - 76, "after": NOW - 75}}, {}, "fail", "75 s ahead", "timedatectl"),
    ("clock", {"controller_clock": {"before": NOW + 75, "after": NOW + 76}}, {}, "fail", "75 s behind", "timedatectl"),
    ("clock", {"controller_clock": {"before": NOW + 6, "after": NOW + 9}}, {}, "warn", "6 s behind", "host_ntp_servers"),
    ("clock", {"controller_clock": {"before": NOW - 9, "after": NOW - 6}}, {}, "warn", "6 s ahead", "host_ntp_servers"),
    ("clock", {"controller_clock": {"before": NOW - 30, "after": NOW + 1}}, {}, "pass", "within 31 s", ""),
    ("clock", {"controller_clock": {"before": NOW - 80, "after": NOW + 1}}, {}, "inconclusive", "took 81 s", "again"),
    ("clock", {"controller_clock": None}, {}, "inconclusive", "no time of the controller", "preflight"),
    ("clock", {"clock/epoch": 1500000000.0, "clock/rtc": False}, {}, "fail", "before", "no battery"),
    ("time_sync", {"systemd/units/chrony.service/active": "inactive"}, {}, "warn", "does not run", "enable --now chrony"),
    ("time_sync", {"systemd/units": {}}, {}, "warn", "no time service", "chrony"),
    ("time_sync", {"systemd/units": {}, "machine/container": "podman"}, {}, "pass", "container", ""),
    ("gpu", {}, {"gpu": "none"}, "warn", "10de:27b8, ada", "gpu: dgpu"),
    ("gpu", {}, {"gpu": "tegra"}, "fail", "10de:27b8", "gpu: dgpu"),
    ("gpu", {"nvidia/pci": [], "nvidia/driver": ""}, {}, "fail", "no NVIDIA GPU", "gpu: none"),
    ("gpu", {"nvidia/installed/version": "580.105.08"}, {}, "fail", "reboot is pending", "systemctl reboot"),
    ("node_name", {}, {"node_name": "Hall1"}, "fail", "Hall1", "Rename"),
    ("node_name", {}, {"node_name": "-x"}, "fail", "-x", "Rename"),
    ("node_name", {"k3s/node_name": "old-name"}, {}, "fail", "registered as old-name", "kubectl delete node old-name"),
    ("one_runtime", {"edgecore/binary": True}, {}, "fail", "EdgeCore", "runtime: edgecore"),
    ("one_runtime", {}, {"runtime": "edgecore"}, "fail", "K3s server", "runtime: k3s_server"),
    ("one_runtime", {"k3s/role": ""}, {"runtime": "edgecore"}, "pass", "no K3s", ""),
    ("existing_k3s", {}, {"runtime": "k3s_agent"}, "fail", "K3s server lives here", "runtime: k3s_server"),
    ("existing_k3s", {"k3s/role": "agent"}, {}, "fail", "K3s agent lives here", "runtime: k3s_agent"),
    ("existing_k3s", {"k3s/version": "v1.35.9+k3s1"}, {}, "fail", "v1.35.9+k3s1 is installed", "k3s_version: v1.35.9+k3s1"),
    ("existing_k3s", {"k3s/version": "v1.36.5+k3s2"}, {}, "fail", "v1.36.5+k3s2 is installed", "k3s_version"),
    ("existing_k3s", {"k3s/version": ""}, {}, "fail", "does not tell its version", "--version"),
    ("existing_k3s", {"k3s/version": "v1.35.9+k3s1"}, {"k3s_version": ""}, "pass", "server v1.35.9+k3s1", ""),
    ("existing_k3s", {"k3s/units": {"k3s.service": "install-script"}}, {}, "fail", "install script", "k3s-uninstall.sh"),
    ("existing_k3s", {"k3s/units": {"k3s.service": "other"}}, {}, "fail", "not written by this", "rm /etc/systemd"),
    ("existing_k3s", {"k3s/containerd_templates": ["config.toml.tmpl"]}, {}, "warn", "config.toml.tmpl", "rm /var/lib"),
]


@pytest.mark.parametrize(("check", "broken", "wish", "verdict", "found", "remedy"), CASES)
def test_check(server, check, broken, wish, verdict, found, remedy):
    evidence, intent = server
    for path, value in broken.items():
        keys = _split(path)
        place = evidence
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    intent.update(wish)
    entry = worst(evidence, intent, check)
    assert entry["verdict"] == verdict, entry
    assert found in entry["found"]
    assert remedy in entry["remedy"]
    assert entry["wanted"]
    assert bool(entry["remedy"]) == (entry["verdict"] != "pass"), "a finding has a remedy, a pass has none"


def _split(path):
    """Keys of ``disks`` are paths themselves."""
    if path.startswith("disks/"):
        _disks, _slash, rest = path.partition("/")
        name, _slash, leaf = rest.rpartition("/")
        return ["disks", name, leaf]
    return path.split("/")


@pytest.mark.parametrize("url", ["https://192.0.2.11:6443", "https://192.0.2.12:6443", ""])
def test_an_agent_of_this_site(server, url):
    evidence, intent = server
    evidence["k3s"].update(role="agent", units={"k3s-agent.service": "edgeai"}, agent_data=True, server_url=url)
    intent.update(runtime="k3s_agent", server_addresses=["192.0.2.11", "192.0.2.12"])
    assert worst(evidence, intent, "existing_k3s")["verdict"] == "pass"


def test_an_agent_of_another_site(server):
    evidence, intent = server
    evidence["k3s"].update(role="agent", units={"k3s-agent.service": "edgeai"}, agent_data=True, server_url="https://198.51.100.7:6443")
    intent.update(runtime="k3s_agent")
    entry = worst(evidence, intent, "existing_k3s")
    assert entry["verdict"] == "fail"
    assert "198.51.100.7" in entry["found"] and "192.0.2.11" in entry["wanted"]


@pytest.mark.parametrize("probe", ["machine", "memory", "disks", "cgroup", "systemd", "ports", "network", "clock", "k3s", "resolver", "nvidia"])
def test_no_evidence_is_never_a_pass(server, probe):
    evidence, intent = server
    del evidence[probe]
    evidence["errors"] = [{"probe": probe, "error": "PermissionError: no"}]
    errors = [entry for entry in verdicts.judge(evidence, intent) if entry["verdict"] == "error"]
    assert errors and all(entry["remedy"] and "PermissionError" in entry["found"] for entry in errors)


def test_a_jetson_whose_kernel_lacks_netfilter_modules(recorded):
    intent = {"node": "cam-line-a", "runtime": "k3s_agent", "arch": "arm64", "address": "192.0.2.21", "k3s_version": "v1.36.5+k3s1"}
    found = {entry["check"]: entry for entry in verdicts.judge(collect(recorded("jetson-orin-nano-jp6")), intent)}
    assert [check for check, entry in found.items() if entry["verdict"] == "fail"] == ["kernel_modules"]
    assert "xt_addrtype, xt_comment missing in 5.15.148-tegra" in found["kernel_modules"]["found"]
    assert "/run/systemd/resolve/resolv.conf" in found["resolver"]["found"]


def test_a_raspberry_pi_as_it_comes(recorded):
    intent = {"node": "gate-cam", "runtime": "k3s_agent", "arch": "arm64", "address": "192.0.2.31", "k3s_version": "v1.36.5+k3s1"}
    found = {entry["check"]: entry for entry in verdicts.judge(collect(recorded("raspberry-pi-4")), intent)}
    assert sorted(check for check, entry in found.items() if entry["verdict"] == "fail") == ["cgroups", "default_route", "disk"]
    assert "/boot/firmware/cmdline.txt" in found["cgroups"]["remedy"]
    assert found["time_sync"]["verdict"] == found["resolver"]["verdict"] == "warn"


def test_a_host_that_somebody_else_runs(recorded):
    intent = {"node": "mes-gw", "runtime": "k3s_agent", "arch": "amd64", "address": "192.0.2.41", "k3s_version": "v1.36.5+k3s1",
              "server_url": "https://192.0.2.11:6443"}
    found = verdicts.judge(collect(recorded("rhel9-foreign-agent")), intent)
    failures = {(entry["check"], entry["found"].split(" ")[0]) for entry in found if entry["verdict"] == "fail"}
    assert failures == {("existing_k3s", "k3s-agent.service"), ("existing_k3s", "K3s"), ("existing_k3s", "registered"),
                        ("node_name", "registered"), ("ports", "port"), ("kernel_modules", "vxlan")}
    assert "kernel-modules-extra" in next(entry["remedy"] for entry in found if entry["check"] == "kernel_modules")
    assert {entry["check"] for entry in found if entry["verdict"] == "warn"} == {
        "iptables", "firewall", "security_modules", "systemd", "existing_k3s"}
