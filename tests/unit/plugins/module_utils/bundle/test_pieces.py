# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pieces, the node's memory and disk space."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import node_index, space
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.pieces import lengths, to_send

A, B = "a" * 64, "b" * 64
STAMP = {"size": 5, "mtime_ns": 1, "ctime_ns": 2, "ino": 3, "mode": "0644"}
IMAGES = "/var/lib/rancher/k3s/agent/images"


@pytest.mark.parametrize("size, expected", [(1, [1]), (10, [10]), (11, [10, 1]), (30, [10, 10, 10]), (0, [])])
def test_lengths(size, expected):
    assert lengths(size, 10) == expected


@pytest.mark.parametrize("staged, numbers", [
    ({}, [0, 1, 2]), ({"0": "x", "1": "y", "2": "z"}, []), ({"0": "x", "1": "half"}, [1, 2]), ({"7": "x"}, [0, 1, 2]),
])
def test_to_send(staged, numbers):
    assert to_send(["x", "y", "z"], staged) == numbers


def test_index_round_trip():
    index = {"/usr/local/bin/k3s": node_index.entry(A, STAMP)}
    assert node_index.parse_index(node_index.dump_index(index)) == index


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", '{"schema": 2, "files": {}}', '{"schema": 1, "files": []}',
    json.dumps({"schema": 1, "files": {"relative": node_index.entry(A, STAMP)}}),
    json.dumps({"schema": 1, "files": {"/x": dict(node_index.entry(A, STAMP), size="5")}}),
    json.dumps({"schema": 1, "files": {"/x": {"sha256": A}}}),
])
def test_foreign_index_is_empty(text):
    assert node_index.parse_index(text) == {}


@pytest.mark.parametrize("field", node_index.FIELDS)
def test_every_field_ends_the_memory(field):
    index = {"/x": node_index.entry(A, STAMP)}
    assert node_index.remembered(index, "/x", STAMP) == A
    assert node_index.remembered(index, "/x", dict(STAMP, **{field: 99})) is None
    assert node_index.remembered(index, "/y", STAMP) is None


def test_former_paths_are_ours_and_in_the_images_directory():
    index = {path: {} for path in (
        IMAGES + "/old.tar", IMAGES + "/new.tar", IMAGES + "/sub/deep.tar", "/usr/local/bin/k3s", IMAGES + "-2/x.tar",
    )}
    assert node_index.former_paths(index, [IMAGES + "/new.tar"], IMAGES) == [IMAGES + "/old.tar"]


@pytest.mark.parametrize("missing, expected", [
    ([], {}),
    ([(100, 0, 1)], {1: 200}),
    ([(100, 40, 1), (50, 0, 1)], {1: 60 + 50 + 100}),
    ([(100, 0, 2), (50, 0, 2)], {1: 150, 2: 150}),
])
def test_needs(missing, expected):
    assert space.needs(missing, 1) == expected


def test_check_space():
    space.check_space({1: 100}, {1: 100 + space.RESERVE}, {1: "/var/lib"})
    with pytest.raises(BundleError, match="below /var/lib, nothing was sent. Found: 64 MiB free. Wanted: 1 MiB"):
        space.check_space({1: 100}, {1: 99 + space.RESERVE}, {1: "/var/lib"})
