# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout writes to a workload: its image, and the record from which a lost ledger can be rebuilt."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.canonical import canonical
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import CONTAINER

RECORD = "edgeai.sites/rollout"
IMAGE_VERSION = "edgeai.sites/image-version"


def image_change(name: str, namespace: str, reference: str, version: str, record: Dict[str, Any]) -> Dict[str, Any]:
    """Return the part of a Deployment that a switch applies; everything else in it stays with whoever wrote it.

    version: ``vision:2`` for people, empty where it is not known (on the way back).
    """
    named = {IMAGE_VERSION: version} if version else {}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": {RECORD: canonical(record), **named}},
        "spec": {"template": {"metadata": {"annotations": named}, "spec": {"containers": [{"name": CONTAINER, "image": reference}]}}},
    }


def record_change(record: Dict[str, Any]) -> Dict[str, Any]:
    """Return the merge patch that writes a record and touches no pod."""
    return {"metadata": {"annotations": {RECORD: canonical(record)}}}


def repository(reference: str) -> str:
    """``registry/name:tag@sha256:…`` -> ``registry/name``."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]
