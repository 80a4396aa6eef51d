# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types derived from the Python client, and quantities."""

from __future__ import annotations

import pytest
from standin_common import quantity
from k3s_standin.api import schema


def at(*path):
    node = schema.builtin_root("apps/v1", "Deployment")
    for name in path:
        node = node.element if name == "[]" else node.field(name)
    return node


@pytest.mark.parametrize("path, kind, merge", [
    (("spec", "replicas"), "integer", None),
    (("spec", "template", "spec", "containers"), "list", ("name",)),
    (("spec", "template", "spec", "containers", "[]", "ports"), "list", ("containerPort", "protocol")),
    (("spec", "template", "spec", "containers", "[]", "args"), "list", None),
    (("spec", "template", "spec", "containers", "[]", "readinessProbe", "httpGet", "port"), "int-or-string", None),
    (("spec", "template", "spec", "containers", "[]", "resources", "limits", "cpu"), "quantity", None),
    (("metadata", "finalizers"), "list", "set"),
    (("metadata", "ownerReferences"), "list", ("uid",)),
    (("status", "conditions"), "list", ("type",)),
    (("status", "terminatingReplicas"), "integer", None),
])
def test_types(path, kind, merge):
    assert (at(*path).kind, at(*path).merge) == (kind, merge)


def test_atomic_parts():
    assert at("spec", "selector").atomic
    assert at("spec", "template", "spec", "nodeSelector").atomic
    assert not at("metadata", "labels").atomic


@pytest.mark.parametrize("text, value", [("100m", 0.1), ("2", 2), ("96Mi", 96 * 2**20), ("1k", 1000), ("1e3", 1000)])
def test_quantities(text, value):
    assert quantity.parse(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1GB"])
def test_no_quantities(text):
    with pytest.raises(ValueError):
        quantity.parse(text)


def test_requests_of_a_pod():
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "2"}, "requests": {"cpu": "500m"}}},
                           {"resources": {"requests": {"cpu": "100m"}}}]}
    assert quantity.pod_requests(spec) == {"pods": 1.0, "nvidia.com/gpu": 1.0, "cpu": pytest.approx(0.6)}
