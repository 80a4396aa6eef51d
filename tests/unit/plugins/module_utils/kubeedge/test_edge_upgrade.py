# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another version of EdgeCore: what is refused, what is kept, and that all of it comes back."""

from __future__ import annotations

import os

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths, matrix, upgrade
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import edge_proven
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.upgrade import Kept

OLD, NEW = "v1.23.1", "v1.23.2"


@pytest.mark.parametrize(("edge", "cloud", "words"), [
    (OLD, OLD, ""), (OLD, NEW, ""), (NEW, OLD, "newer than CloudCore"), ("v1.24.0", OLD, "newer than CloudCore"),
    ("v1.22.2", OLD, "different minor versions"), ("v1.22.9", "v1.23.1", "bring EdgeCore to 1.23"), (OLD, "", ""), ("?", OLD, ""),
])
def test_the_cloud_goes_first_and_both_are_of_one_minor_version(edge, cloud, words):
    found = matrix.skew(edge, cloud)
    assert len(found) == bool(words) and words in "".join(found)


@pytest.mark.parametrize(("kept", "wanted", "is_pending"), [(Kept(), NEW, False), (Kept(OLD), OLD, False), (Kept(OLD), NEW, True), (Kept(NEW), OLD, True)])
def test_a_change_of_version_is_one_with_a_way_back(kept, wanted, is_pending):
    assert upgrade.pending(kept, wanted) is is_pending


def test_an_older_minor_version_does_not_get_the_database_of_a_newer_one():
    assert "newer minor version" in upgrade.refusals(Kept("v1.23.1"), "v1.22.2", "v1.22.2")[0]
    assert upgrade.refusals(Kept("v1.23.2"), "v1.23.1", "v1.23.2") == []
    assert upgrade.refusals(Kept("v1.22.2"), "v1.23.1", "v1.23.1") == []


def test_without_the_cloud_a_version_waits_and_a_node_that_only_goes_on_does_not():
    assert "stays at v1.23.1" in upgrade.postponed(Kept(OLD), NEW, "connection refused")
    assert upgrade.postponed(Kept(OLD), OLD, "connection refused") == "" == upgrade.postponed(Kept(), NEW, "connection refused")
    assert upgrade.postponed(Kept(OLD), NEW, "") == ""


@pytest.mark.parametrize(("result", "back"), [
    ({"failed": True}, True), ({"failed": True, "deferred": False}, True), ({"failed": True, "deferred": True}, False), ({}, False),
])
def test_only_what_failed_and_is_known_to_have_goes_back(result, back):
    assert upgrade.goes_back(Kept(OLD), NEW, result) is back
    assert upgrade.goes_back(Kept(NEW), NEW, result) is False, "the same version: nothing to go back to"


@pytest.mark.parametrize(("kept", "problem", "words"), [
    (Kept(OLD, True), "", "(binary, configuration and database) and is up again"),
    (Kept(OLD), "", "the database stayed as it was"),
    (Kept(OLD, True), "it dies again", "and is not up either: it dies again"),
])
def test_what_became_of_both_versions_is_told(kept, problem, words):
    told = upgrade.told({"failed": True, "msg": "exit code 1", "cause": "unknown"}, kept, NEW, problem)
    assert words in told["msg"] and "What was wrong with v1.23.2: exit code 1" in told["msg"]
    assert (told["rolled_back"], told["restored"], told["failed"], told["cause"]) == (True, OLD, True, "unknown")


@pytest.fixture(name="node")
def _node(tmp_path, monkeypatch):
    """A node's files below a directory of the test, in version OLD."""
    for name in ("PROVEN", "PROVEN_BINARY", "BINARY", "CONFIG", "DATA", "DATABASE"):
        monkeypatch.setattr(edge_paths, name, str(tmp_path) + getattr(edge_paths, name))
    for name in ("CONFIG", "VERSION", "DATABASE"):
        monkeypatch.setattr(edge_proven, name, str(tmp_path) + getattr(edge_proven, name))
    for path in (edge_paths.BINARY, edge_paths.CONFIG, edge_paths.DATABASE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    place(OLD)
    return tmp_path


def place(version, wal=""):
    """As the artifacts step and EdgeCore itself leave it: the binary in another file of the same name."""
    temporary = edge_paths.BINARY + ".new"
    for path, text in ((temporary, "program " + version), (edge_paths.CONFIG, "edgecoreVersion: %s\n" % version),
                       (edge_paths.DATABASE, "rows of " + version)):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    os.chmod(temporary, 0o755)
    os.replace(temporary, edge_paths.BINARY)
    if wal:
        with open(edge_paths.DATABASE + "-wal", "w", encoding="utf-8") as stream:
            stream.write(wal)


def texts():
    found = {}
    for path in (edge_paths.BINARY, edge_paths.CONFIG, edge_paths.DATABASE, edge_paths.DATABASE + "-wal"):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as stream:
                found[os.path.basename(path)] = stream.read()
    return found


def test_binary_configuration_and_database_come_back(node):
    before = texts()
    edge_proven.keep(OLD)
    assert edge_proven.is_current(OLD) and edge_proven.kept() == Kept(OLD)
    assert not edge_proven.is_current(NEW)
    edge_proven.set_database_aside()
    place(NEW, wal="half of a transaction of the new version")
    assert edge_proven.kept() == Kept(OLD, True)
    edge_proven.put_back()
    assert texts() == before, "the new version's -wal would be played into the old database"
    assert os.stat(edge_paths.BINARY).st_mode & 0o777 == 0o755
    assert edge_proven.is_current(OLD)


def test_a_second_try_does_not_take_the_database_of_the_first_for_the_old_one(node):
    edge_proven.keep(OLD)
    edge_proven.set_database_aside()
    place(NEW)
    edge_proven.set_database_aside()
    edge_proven.put_back()
    assert texts()["edgecore.db"] == "rows of " + OLD


def test_a_proven_version_is_kept_in_place_of_the_former(node):
    edge_proven.keep(OLD)
    edge_proven.set_database_aside()
    place(NEW)
    edge_proven.keep(NEW)
    assert edge_proven.kept() == Kept(NEW) and edge_proven.is_current(NEW)


def test_what_is_kept_is_for_root_alone(node):
    edge_proven.keep(OLD)
    edge_proven.set_database_aside()
    for path, mode in ((edge_paths.PROVEN, 0o700), (edge_proven.CONFIG, 0o600), (edge_proven.DATABASE, 0o700)):
        assert os.stat(path).st_mode & 0o777 == mode, path


@pytest.mark.parametrize("missing", ["PROVEN_BINARY", "CONFIG", "VERSION"])
def test_half_of_it_is_nothing(node, missing):
    edge_proven.keep(OLD)
    os.unlink(getattr(edge_proven, missing, None) or getattr(edge_paths, missing))
    assert edge_proven.kept() == Kept() and not edge_proven.is_current(OLD)


def test_a_copy_where_the_file_system_has_no_links(node, monkeypatch):
    def refuse(*_names):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    edge_proven.keep(OLD)
    place(NEW)
    edge_proven.put_back()
    assert texts()["edgecore"] == "program " + OLD
