"""CloudCore's way to the Kubernetes API: a kubeconfig, or the service account of its pod."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from pathlib import Path

import yaml
from standin_common.apiclient import Client, Refused

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoAccess(Exception):
    """Neither a kubeconfig nor a service account."""


def connect(path):
    """A Client; path: of the kubeconfig, empty inside a cluster."""
    return _from_kubeconfig(path) if path else _from_account()


def _from_account():
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise NoAccess("unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be "
                       "defined")
    try:
        token = (ACCOUNT / "token").read_text().strip()
        context = _context((ACCOUNT / "ca.crt").read_text())
    except OSError as problem:
        raise NoAccess(f"open {problem.filename}: no such file or directory") from None
    return Client(f"https://{host}:{port}", context, {"Authorization": f"Bearer {token}", "User-Agent": "cloudcore"}, 30)


def _from_kubeconfig(path):
    try:
        config = yaml.safe_load(Path(path).read_text())
        chosen = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], chosen["cluster"])["cluster"]
        user = _named(config["users"], chosen["user"])["user"]
    except OSError:
        raise NoAccess(f"stat {path}: no such file or directory") from None
    except (KeyError, TypeError, yaml.YAMLError) as problem:
        raise NoAccess(f"error loading config file \"{path}\": {problem}") from None
    context = _context(_data(cluster, "certificate-authority"))
    headers = {"User-Agent": "cloudcore"}
    if user.get("token"):
        headers["Authorization"] = f"Bearer {user['token']}"
    elif user.get("client-certificate-data") or user.get("client-certificate"):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(_data(user, "client-certificate") + _data(user, "client-key"))
            file.flush()
            context.load_cert_chain(file.name)
    return Client(cluster["server"], context, headers, 30)


def _named(entries, name):
    return next(entry for entry in entries if entry["name"] == name)


def _data(holder, key):
    if holder.get(f"{key}-data"):
        return base64.b64decode(holder[f"{key}-data"]).decode()
    return Path(holder[key]).read_text()


def _context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    return context


def find(client, path):
    """The object at this path, or None."""
    try:
        return client.get(path)
    except Refused as refusal:
        if refusal.status == 404:
            return None
        raise
