"""Verdicts of `lab doctor`: each lack is named, with the command that ends it."""

from dataclasses import replace

import pytest
from edgelab import doctor

GOOD = doctor.Evidence(
    root=True,
    system="debian",
    programs=frozenset(doctor.PROGRAMS),
    cgroup="v1",
    overlay=True,
    inotify=1024,
    disk_gib=50,
    memory_gib=8,
)


def by_check(evidence):
    return {verdict.check: verdict for verdict in doctor.judge(evidence)}


def test_a_good_machine_passes():
    assert {verdict.verdict for verdict in doctor.judge(GOOD)} == {"pass"}


@pytest.mark.parametrize(
    "change, check, verdict, remedy",
    [
        ({"root": False}, "root", "fail", "sudo"),
        ({"system": "fedora"}, "system", "fail", "Debian 12"),
        (
            {"programs": frozenset(doctor.PROGRAMS) - {"podman", "zstd"}},
            "programs",
            "fail",
            "apt-get install -y podman zstd",
        ),
        (
            {"programs": frozenset(doctor.PROGRAMS) - {"ssh", "ssh-keygen"}},
            "programs",
            "fail",
            "apt-get install -y openssh-client",
        ),
        ({"keyring": False}, "archive keys", "fail", "debian-archive-keyring"),
        ({"cgroup": ""}, "cgroups", "fail", "cgroupfs-mount"),
        ({"overlay": False}, "overlayfs", "fail", "modprobe overlay"),
        ({"inotify": 128}, "inotify", "warn", "sysctl -w fs.inotify.max_user_instances=1024"),
        ({"disk_gib": 4}, "disk", "warn", "podman system df"),
        ({"disk_gib": 1}, "disk", "fail", "podman system df"),
        ({"memory_gib": 1}, "memory", "warn", "fewer hosts"),
    ],
)
def test_each_lack_has_its_verdict_and_remedy(change, check, verdict, remedy):
    verdicts = by_check(replace(GOOD, **change))
    assert verdicts[check].verdict == verdict and remedy in verdicts[check].remedy
    assert verdicts[check].found and verdicts[check].wanted
    assert [name for name, other in verdicts.items() if other.verdict != "pass"] == [check]


def test_runc_is_needed_on_cgroup_v1_only():
    without = replace(GOOD, programs=GOOD.programs - {"runc"})
    assert by_check(without)["programs"].verdict == "fail"
    assert by_check(replace(without, cgroup="v2"))["programs"].verdict == "pass"


def test_a_sentence_says_found_wanted_and_what_to_do():
    text = doctor.sentence(by_check(replace(GOOD, inotify=128))["inotify"])
    assert "found 128" in text and "wanted 1024" in text and "do: sysctl -w" in text


def test_this_machine_can_be_looked_at():
    assert doctor.judge(doctor.collect())
