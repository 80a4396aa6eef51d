# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is installed to what must be done."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import packages
from ansible_collections.edgeai.sites.plugins.module_utils.packages.plan import Action, File, Installed, PackagesError

BASE, TOOLKIT = "nvidia-container-toolkit-base", "nvidia-container-toolkit"
V = "1.20.0-1"
FILES = [File(name, V, "amd64", "/p/%s_%s_amd64.deb" % (name, V)) for name in packages.TOOLKIT]
PATH = {file.name: file.path for file in FILES}
ALL = list(packages.TOOLKIT)
HELD = Installed(V, "installed", held=True)


def kinds(actions):
    return [(action.kind, action.targets) for action in actions]


@pytest.mark.parametrize("installed, wanted, expected", [
    ({}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    ({BASE: HELD}, [BASE], []),
    ({BASE: Installed(V)}, [BASE], [("hold", (BASE,))]),
    ({BASE: Installed("1.17.8-1", held=True)}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    ({BASE: Installed("1.21.0-1", held=True)}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    ({BASE: Installed("1.18.0-1", "config-files")}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    ({BASE: Installed(V, "unpacked", held=True)}, [BASE], [("configure", (BASE,)), ("hold", (BASE,))]),
    ({BASE: Installed(V, "half-configured")}, [BASE], [("configure", (BASE,)), ("hold", (BASE,))]),
    ({BASE: Installed(V, "half-installed", damaged=True)}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    ({BASE: Installed("1.18.0-1", "unpacked")}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    # Power was lost between the packages: one is right, one is unpacked, two are missing.
    ({"libnvidia-container1": HELD, "libnvidia-container-tools": Installed(V, "unpacked")}, ALL,
     [("install", tuple(PATH[name] for name in ALL[1:])), ("hold", tuple(ALL[1:]))]),
    ({name: HELD for name in ALL}, ALL, []),
    # Of the same version, so the wanted one does not break it.
    ({BASE: HELD, TOOLKIT: Installed(V)}, [BASE], []),
    ({TOOLKIT: Installed("1.17.8-1", "config-files")}, [BASE], [("install", (PATH[BASE],)), ("hold", (BASE,))]),
    ({}, [], []),
])
def test_present(installed, wanted, expected):
    assert kinds(packages.present(installed, wanted, FILES)) == expected


def test_reasons_say_found_and_wanted():
    action = packages.present({BASE: Installed("1.17.8-1"), TOOLKIT: Installed(V, "unpacked")}, [BASE, TOOLKIT], FILES)[0]
    assert action.reason == (
        "%s is 1.17.8-1, wanted %s; %s %s is unpacked: its installation was interrupted" % (BASE, V, TOOLKIT, V))


def test_old_packages_are_removed_first_where_that_is_allowed():
    installed = {"nvidia-docker2": Installed("2.13.0-1"), "libnvidia-container0": Installed("0.9.0-1", "config-files")}
    with pytest.raises(PackagesError, match="nvidia-docker2 2.13.0-1 .*nvidia_runtime_remove_old: true"):
        packages.present(installed, [BASE], FILES)
    assert kinds(packages.present(installed, [BASE], FILES, remove_old=True))[:2] == [
        ("remove", ("nvidia-docker2",)), ("install", (PATH[BASE],))]


def test_hold_is_given_up_when_it_is_not_wanted():
    assert packages.present({BASE: HELD}, [BASE], FILES, hold=False) == [
        Action("unhold", (BASE,), "packages are not to be held")]


@pytest.mark.parametrize("installed, wanted, files, message", [
    ({}, [BASE], [], "no package file of %s .*found: none" % BASE),
    ({}, ["nvidia-open"], FILES, "no package file of nvidia-open .*libnvidia-container1"),
    ({}, [BASE], FILES + [File(BASE, "1.19.1-1", "amd64", "/p/x")], "several versions.*1.19.1-1, 1.20.0-1"),
    ({}, [BASE, TOOLKIT], [FILES[2], File(TOOLKIT, "1.19.1-1", "amd64", "/p/x")], "need one version"),
    ({TOOLKIT: Installed("1.17.8-1")}, [BASE], FILES, "%s 1.17.8-1 would break.*nvidia_runtime_packages" % TOOLKIT),
])
def test_refusals(installed, wanted, files, message):
    with pytest.raises(PackagesError, match=message):
        packages.present(installed, wanted, files)


def test_a_driver_has_a_version_of_its_own():
    driver = File("nvidia-open", "580.95.05-1", "amd64", "/p/nvidia-open.deb")
    actions = packages.present({}, [BASE, "nvidia-open"], FILES + [driver], hold=False)
    assert kinds(actions) == [("install", (PATH[BASE], driver.path))]


def test_absent():
    assert packages.absent({}, [BASE]) == []
    assert kinds(packages.absent({BASE: HELD}, [BASE])) == [("unhold", (BASE,)), ("remove", (BASE,))]
    assert kinds(packages.absent({BASE: Installed(V, "config-files")}, [BASE])) == [("remove", (BASE,))]
    with pytest.raises(PackagesError, match="cannot be removed alone: %s needs it" % TOOLKIT):
        packages.absent({BASE: HELD, TOOLKIT: Installed(V)}, [BASE])


def test_old_sources():
    assert packages.old_sources(["nvidia-docker.list", "libnvidia-container.list.save", "nvidia-container-toolkit.list",
                                 "nvidia-container-runtime.repo"]) == ["nvidia-docker.list", "nvidia-container-runtime.repo"]
