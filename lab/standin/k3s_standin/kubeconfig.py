"""The text of a kubeconfig, as K3s writes it."""

from __future__ import annotations

import base64


def document(server, authority, certificate, key, name="default"):
    """server: URL; authority, certificate, key: PEM as bytes; name: of cluster, user and context"""
    def encoded(pem):
        return base64.b64encode(pem).decode()

    return (f"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {encoded(authority)}\n"
            f"    server: {server}\n  name: {name}\ncontexts:\n- context:\n    cluster: {name}\n"
            f"    user: {name}\n  name: {name}\ncurrent-context: {name}\nkind: Config\nusers:\n- name: {name}\n"
            f"  user:\n    client-certificate-data: {encoded(certificate)}\n"
            f"    client-key-data: {encoded(key)}\n")
