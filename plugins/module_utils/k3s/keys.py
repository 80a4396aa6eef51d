# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys K3s accepts in config.yaml, with which type, on which kind of node.

K3s itself is no help here: a server drops an unknown key with one warning, an agent dies of it.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

SERVER = "k3s_server"
AGENT = "k3s_agent"


class Key(NamedTuple):
    """Type of a key (bool, int, string, list, octal, duration) and whether agents know it."""

    kind: str
    agent: bool


_SHARED = {
    "bool": "alsologtostderr debug disable-default-registry-endpoint docker enable-pprof nonroot-devices"
            " prefer-bundled-bin protect-kernel-defaults rootless selinux with-node-id",
    "int": "lb-server-port v",
    "string": "bind-address container-runtime-endpoint data-dir default-runtime flannel-cni-conf flannel-conf"
              " flannel-iface image-credential-provider-bin-dir image-credential-provider-config"
              " image-service-endpoint log node-name pause-image private-registry resolv-conf server snapshotter"
              " token token-file vmodule vpn-auth vpn-auth-file",
    "list": "airgap-extra-registry kube-proxy-arg kubelet-arg node-external-dns node-external-ip"
            " node-internal-dns node-ip node-label node-taint",
}
_SERVER_ONLY = {
    "bool": "cluster-init cluster-reset disable-cloud-controller disable-helm-controller disable-kube-proxy"
            " disable-network-policy disable-scheduler embedded-registry etcd-disable-snapshots"
            " etcd-expose-metrics etcd-s3 etcd-s3-insecure etcd-s3-skip-ssl-verify etcd-snapshot-compress"
            " flannel-external-ip flannel-ipv6-masq secrets-encryption supervisor-metrics tls-san-security"
            " disable-agent disable-apiserver disable-controller-manager disable-etcd",
    "int": "advertise-port etcd-s3-retention etcd-snapshot-retention https-listen-port",
    "string": "advertise-address agent-token agent-token-file cluster-domain cluster-reset-restore-path"
              " datastore-cafile datastore-certfile datastore-endpoint datastore-keyfile"
              " default-local-storage-path egress-selector-mode etcd-s3-access-key etcd-s3-bucket"
              " etcd-s3-bucket-lookup-type etcd-s3-config-secret etcd-s3-endpoint etcd-s3-endpoint-ca"
              " etcd-s3-folder etcd-s3-proxy etcd-s3-region etcd-s3-secret-key etcd-s3-session-token"
              " etcd-snapshot-dir etcd-snapshot-name etcd-snapshot-schedule-cron flannel-backend helm-job-image"
              " secrets-encryption-provider service-node-port-range servicelb-namespace system-default-registry"
              " write-kubeconfig write-kubeconfig-group write-kubeconfig-name",
    "list": "cluster-cidr cluster-dns disable etcd-arg helm-controller-arg kube-apiserver-arg"
            " kube-cloud-controller-manager-arg kube-controller-manager-arg kube-scheduler-arg service-cidr"
            " tls-san",
    "octal": "write-kubeconfig-mode",
    "duration": "etcd-s3-timeout etcd-snapshot-reconcile-interval",
}
_AGENT_ONLY = {"bool": "disable-apiserver-lb"}


def _table(groups: dict[str, str], agent: bool) -> dict[str, Key]:
    return {name: Key(kind, agent) for kind, names in groups.items() for name in names.split()}


KEYS = dict(**_table(_SHARED, True), **_table(_SERVER_ONLY, False))
AGENT_ONLY = _table(_AGENT_ONLY, True)

SECRET = frozenset(("token", "agent-token", "datastore-endpoint", "etcd-s3-access-key", "etcd-s3-secret-key",
                    "etcd-s3-session-token", "etcd-s3-proxy", "vpn-auth"))

# Keys that K3s knows and this collection refuses, each with the way out.
REFUSED = {
    "token": "the join token is set by the variable k3s_token",
    "token-file": "the join token is set by the variable k3s_token",
    "server": "the server to join is set by the variable k3s_server_url",
    "node-name": "the node name is set by the variable k3s_node_name",
    "node-ip": "the node address is set by the variable k3s_node_ip",
    "node-label": "K3s applies it at the first registration only; use k3s_labels, which are kept up to date",
    "with-node-id": "it changes the node name, and nodes are found by their inventory name",
    "data-dir": "images, tokens and backups are expected in /var/lib/rancher/k3s; mount the wanted disk there",
    "cluster-reset": "it is a one-time action; in a file it would reset the cluster at every start",
    "cluster-reset-restore-path": "it is a one-time action; in a file it would restore at every start",
    "disable-agent": "a server without kubelet registers no node, so that its health cannot be proved",
    "docker": "images are imported into K3s's own containerd",
    "rootless": "units, images and ports are laid out for root",
}
REMOVED = {
    "no-deploy": "removed from K3s; use disable",
    "cluster-secret": "removed from K3s; use the variable k3s_token",
    "no-flannel": "removed from K3s; use flannel-backend: none on the server",
    "disable-selinux": "removed from K3s; SELinux is off unless selinux: true",
    "kube-controller-arg": "removed from K3s; use kube-controller-manager-arg",
    "kube-cloud-controller-arg": "removed from K3s; use kube-cloud-controller-manager-arg",
}
CHOICES = {
    "flannel-backend": ("none", "vxlan", "host-gw", "wireguard-native"),
    "egress-selector-mode": ("agent", "cluster", "pod", "disabled"),
    "secrets-encryption-provider": ("aescbc", "secretbox"),
    "disable": ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"),
}
# component arguments that open the node or the API to everybody
DANGEROUS_ARGS = {
    "anonymous-auth=true": "anybody on the network could call it without credentials",
    "authorization-mode=AlwaysAllow": "every caller would be an administrator",
    "insecure-bind-address": "the API would be served without TLS",
    "insecure-port": "the API would be served without TLS",
    "read-only-port": "the kubelet would tell everybody what runs here",
}
REFUSED_ENV = {
    "K3S_TOKEN": "k3s_token", "K3S_URL": "k3s_server_url", "K3S_NODE_NAME": "k3s_node_name",
    "K3S_CONFIG_FILE": "k3s_config", "K3S_DATA_DIR": "k3s_config", "K3S_AGENT_TOKEN": "k3s_config (agent-token)",
    "K3S_TOKEN_FILE": "k3s_token", "K3S_CLUSTER_SECRET": "k3s_token",
}

_ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_ENV_SECRET = re.compile(r"(TOKEN|SECRET|PASSW|PROXY|CREDENTIAL|ACCESS_KEY|API_KEY)", re.IGNORECASE)
_DURATION = re.compile(r"^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_KIND_WORDS = {
    "bool": "true or false", "int": "a whole number", "string": "a string", "list": "a list of strings",
    "octal": "a quoted octal mode such as \"0600\"", "duration": "a duration such as \"5m0s\"",
}


def known(runtime: str) -> dict[str, Key]:
    """The keys that this kind of node accepts."""
    if runtime == SERVER:
        return KEYS
    return dict({name: key for name, key in KEYS.items() if key.agent}, **AGENT_ONLY)


def check_config(config: dict[str, Any], runtime: str) -> list[str]:
    """Problems of the user's config.yaml keys, one sentence each; empty when all is well."""
    problems = []
    for name in sorted(config, key=str):
        problem = _check_name(str(name), runtime) or _check_value(str(name), config[name], runtime)
        if problem:
            problems.append(problem)
    return problems


def check_env(env: dict[str, Any]) -> list[str]:
    """Problems of the variables for the unit's environment file."""
    problems = []
    for name, value in sorted(env.items()):
        if not _ENV_NAME.match(str(name)):
            problems.append("environment variable %r: a name has letters, digits and underscores" % name)
        elif name in REFUSED_ENV:
            problems.append("environment variable %s: set it by the variable %s" % (name, REFUSED_ENV[name]))
        elif _CONTROL.search(str(value)):
            problems.append("environment variable %s: the value has a line break or control character" % name)
    return problems


def is_secret(name: str) -> bool:
    """Whether the value of this config.yaml key must not be shown."""
    return name in SECRET


def is_secret_env(name: str, value: Any) -> bool:
    """Whether an environment value must not be shown: by its name, or because it has user:password@."""
    return bool(_ENV_SECRET.search(str(name)) or re.search(r"://[^/\s]*@", str(value)))


def _check_name(name: str, runtime: str) -> str | None:
    accepted = known(runtime)
    if name in REMOVED:
        return "%s: %s" % (name, REMOVED[name])
    if name in REFUSED:
        return "%s: not accepted here: %s" % (name, REFUSED[name])
    if name in accepted:
        return None
    if name.endswith("+"):
        return "%s: the + form belongs in drop-in files; write the whole list under %s" % (name, name[:-1])
    if runtime == AGENT and name in KEYS:
        return "%s: only a K3s server knows this key, an agent would not start; set it for the server" % name
    if runtime == SERVER and name in AGENT_ONLY:
        return "%s: only a K3s agent knows this key; set it for the agents" % name
    return "%s: K3s has no such key%s" % (name, _nearest(name, accepted, runtime))


def _nearest(name: str, accepted: dict[str, Key], runtime: str) -> str:
    wanted = name.lower().replace("_", "-").lstrip("-")
    candidates = [key for key in accepted if key not in REFUSED] + sorted(KEYS if runtime == AGENT else AGENT_ONLY)
    for candidate in difflib.get_close_matches(wanted, candidates, n=1, cutoff=0.6):
        only = "" if candidate in accepted else " (a %s key)" % ("server" if runtime == AGENT else "agent")
        return "; did you mean %s%s?" % (candidate, only)
    return ""


def _check_value(name: str, value: Any, runtime: str) -> str | None:
    kind = known(runtime)[name].kind
    if kind == "octal":
        return _check_octal(name, value)
    values = value if isinstance(value, list) else [value]
    if kind == "list" and not all(_is_kind("string", item) and item != "" for item in values):
        return "%s: wanted %s, found %r" % (name, _KIND_WORDS[kind], value)
    if kind != "list" and not _is_kind(kind, value):
        return "%s: wanted %s, found %s" % (name, _KIND_WORDS[kind], _shown(name, value))
    if any(isinstance(item, str) and _CONTROL.search(item) for item in values):
        return "%s: the value has a line break or control character" % name
    for item in values:
        if name in CHOICES and item not in CHOICES[name]:
            return "%s: %r is none of %s" % (name, item, ", ".join(CHOICES[name]))
    return _check_component_args(name, values) if name.endswith("-arg") else None


def _check_octal(name: str, value: Any) -> str | None:
    if not isinstance(value, str) or not re.match(r"^0?[0-7]{3}$", value):
        return "%s: wanted %s, found %r (unquoted, YAML reads 0644 as the number 420)" % (
            name, _KIND_WORDS["octal"], value)
    if int(value, 8) & 0o007:
        return "%s: %s makes every local user a cluster administrator; use \"0600\", or \"0640\" with " \
               "write-kubeconfig-group" % (name, value)
    return None


def _check_component_args(name: str, values: list[Any]) -> str | None:
    for item in values:
        flag = str(item).lstrip("-")
        if "=" not in flag:
            return "%s: %r is not of the form flag=value" % (name, item)
        for danger, reason in DANGEROUS_ARGS.items():
            if flag == danger or (flag.startswith(danger + "=") and not flag.endswith("=0")):
                return "%s: %s is refused: %s" % (name, flag, reason)
    return None


def _is_kind(kind: str, value: Any) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "duration":
        return isinstance(value, str) and bool(_DURATION.match(value))
    return isinstance(value, str)


def _shown(name: str, value: Any) -> str:
    return "a %s" % type(value).__name__ if is_secret(name) else repr(value)
