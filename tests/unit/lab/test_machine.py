"""How hosts are started on different machines, and the small texts around them."""

from pathlib import Path

import pytest
from edgelab import apt, hosts, ssh, status
from edgelab.fleet import Fleet, Host
from edgelab.machine import Machine

HOST = Host("hall1", "10.89.77.11", "k3s_server", "none", "factory")
FLEET = Fleet("demo", Path("/inventories/demo"), "10.89.77.0/24", (HOST,))


def arguments(**machine):
    found = Machine(**{"cgroup": "v1", "may_raise_limits": True, "nofile": 1024, "nproc": 4096, **machine})
    return hosts.run_arguments(FLEET, HOST, "image:tag", found)


def pairs(argv):
    return set(zip(argv, argv[1:]))


def test_every_host_has_name_address_label_and_volumes():
    argv = arguments()
    assert {
        ("--name", "edgelab-demo-hall1"),
        ("--hostname", "hall1"),
        ("--ip", "10.89.77.11"),
        ("--network", "edgelab-demo"),
        ("--label", "edgeai.lab=edgelab-demo"),
        ("--label", "edgeai.lab.host=hall1"),
        ("--label", "edgeai.lab.inventory=/inventories/demo"),
        ("--volume", "/var/lib/rancher"),
        ("--volume", "/var/lib/kubelet"),
        ("--volume", "/var/lib/containerd"),
    } <= pairs(argv)
    assert "--systemd=always" in argv and "--privileged" in argv and argv[-1] == "image:tag"


def test_cgroup_v1_needs_runc_and_the_machines_tree():
    old, new = arguments(cgroup="v1"), arguments(cgroup="v2")
    assert old[:2] == ["--runtime", "runc"] and "--cgroupns=host" in old
    assert ("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw") in pairs(old)
    assert "--runtime" not in new and not any("cgroup" in word for word in new)


def test_limits_are_given_only_where_they_cannot_be_raised():
    assert not any("nofile" in word for word in arguments())
    tight = arguments(may_raise_limits=False, nofile=20000, nproc=96365)
    assert {("--ulimit", "nofile=1024:20000"), ("--ulimit", "nproc=4096:4096")} <= pairs(tight)


def test_the_hardware_address_belongs_to_the_address():
    assert hosts.mac_address("10.89.77.11") == "02:ed:0a:59:4d:0b"


def test_known_hosts_keep_other_lines():
    lines = ["10.0.0.1 ssh-ed25519 OLD", "10.0.0.2 ssh-ed25519 GONE", "10.0.0.3 ssh-ed25519 OTHER", ""]
    assert ssh.merge_known_hosts(lines, {"10.0.0.1": "ssh-ed25519 NEW", "10.0.0.2": ""}) == [
        "10.0.0.1 ssh-ed25519 NEW",
        "10.0.0.3 ssh-ed25519 OTHER",
    ]


ONE_LINE = (
    "# deb http://commented/ bookworm main\n"
    "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib\n"
)
DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://deb822.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example
Suites: bookworm
Components: main
"""


@pytest.mark.parametrize(
    "texts, suite, chosen",
    [
        ([ONE_LINE], "bookworm", ("http://mirror.example/debian", "http://deb.debian.org/debian-security")),
        ([DEB822], "bookworm", ("http://deb822.example/debian", "http://security.example/debian-security")),
        ([ONE_LINE, DEB822], "bookworm", ("http://mirror.example/debian", "http://security.example/debian-security")),
        ([DEB822], "trixie", ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")),
        (
            ["deb cdrom:[disc] bookworm main\n"],
            "bookworm",
            ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security"),
        ),
        ([], "bookworm", ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")),
    ],
)
def test_packages_come_from_where_this_machine_gets_them(texts, suite, chosen):
    assert apt.choose(apt.parse_sources(texts), suite) == chosen


@pytest.mark.parametrize(
    "output, row",
    [
        ("running\nup\n123456789\nk3s active \n{}\n", ("h", "a", "running", "up", "123 MB", "k3s active", "-")),
        ('degraded\ncut\n[not set]\n\n{"b": 1, "a": 2}', ("h", "a", "degraded", "cut", "?", "-", "a, b")),
        ("running\nup\n5000000\n\nnot json", ("h", "a", "running", "up", "5 MB", "-", "unreadable")),
        ("", ("h", "a", "?", "?", "?", "-", "-")),
    ],
)
def test_a_row_of_the_status(output, row):
    assert status.parse("h", "a", output) == row


def test_columns_are_aligned():
    assert status.table([("A", "BB"), ("ccc", "d")]) == ["  A    BB", "  ccc  d"]
