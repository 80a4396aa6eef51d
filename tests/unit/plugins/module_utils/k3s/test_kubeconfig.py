# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubeconfig for the controller."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import kubeconfig

DOCUMENT = {
    "apiVersion": "v1", "kind": "Config", "current-context": "default",
    "clusters": [{"name": "default", "cluster": {"certificate-authority-data": "Y2E=",
                                                 "server": "https://127.0.0.1:6443"}}],
    "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
    "users": [{"name": "default", "user": {"client-certificate-data": "Yw==", "client-key-data": "aw=="}}],
}


def test_server_and_names_are_replaced_and_credentials_kept():
    result = kubeconfig.for_site(DOCUMENT, "hall-1", "https://10.0.0.1:6443")
    assert result["clusters"] == [{"name": "hall-1", "cluster": {"certificate-authority-data": "Y2E=",
                                                                 "server": "https://10.0.0.1:6443"}}]
    assert result["users"] == [{"name": "hall-1", "user": DOCUMENT["users"][0]["user"]}]
    assert result["contexts"][0]["context"] == {"cluster": "hall-1", "user": "hall-1"}
    assert result["current-context"] == "hall-1"
    assert "default" not in str(result)
    assert DOCUMENT["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


@pytest.mark.parametrize("document", [None, "text", {}, {"clusters": [], "users": []}, {"clusters": [1], "users": [1]},
                                      dict(DOCUMENT, users=DOCUMENT["users"] * 2)])
def test_anything_else_is_refused(document):
    with pytest.raises(ValueError, match="not the kubeconfig of a K3s server"):
        kubeconfig.for_site(document, "hall-1", "https://10.0.0.1:6443")
