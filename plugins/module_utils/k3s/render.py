# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a K3s node as text: config.yaml, unit and environment file."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import keys, paths, token
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.evidence import watched

HEADER = "# Written by edgeai.sites (role k3s). Changes made here are undone by the next run.\n"

# K3s has no memory threshold of its own: without one, a memory leak ends in the kernel's out-of-memory
# killer, which may choose the kubelet. Setting the flag replaces K3s's own two values, so they are repeated.
EVICTION = "eviction-hard=memory.available<100Mi,nodefs.available<5%,imagefs.available<5%"

_SCALAR = r"^%s:[ \t]*(.*?)[ \t]*$"


def defaults(runtime: str, node_name: str, node_ip: str, resolv_conf: str = "", server_url: str = "",
             api_host: str = "") -> dict[str, Any]:
    """What this collection sets on every node; the user's keys come on top of it.

    ``resolv_conf``, ``server_url`` and ``api_host`` are left out when empty. ``api_host`` is the host name or
    address by which others reach the API; it must be in the server's certificate.
    """
    config = {"node-name": node_name, "kubelet-arg": [EVICTION]}  # type: dict[str, Any]
    if node_ip:
        config["node-ip"] = [node_ip]
    if resolv_conf:
        config["resolv-conf"] = resolv_conf
    if server_url:
        config["server"] = server_url
    if runtime == keys.SERVER:
        config["write-kubeconfig-mode"] = "0600"
        if api_host and api_host != node_ip:
            config["tls-san"] = [api_host]
    return config


def merge(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """``extra`` over ``base``, neither changed.

    Component arguments (kubelet-arg, …) are merged flag by flag and TLS names are added up; every other key of
    ``extra`` replaces the one in ``base``.
    """
    merged = dict(base)
    for name, value in extra.items():
        if name.endswith("-arg"):
            merged[name] = _merge_arguments(_as_list(merged.get(name)), _as_list(value))
        elif name == "tls-san":
            merged[name] = sorted(set(_as_list(merged.get(name)) + _as_list(value)))
        else:
            merged[name] = value
    return merged


def _merge_arguments(base: list[str], extra: list[str]) -> list[str]:
    replaced = set(item.lstrip("-").split("=")[0] for item in extra)
    return [item for item in base if item.lstrip("-").split("=")[0] not in replaced] + extra


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def to_yaml(config: dict[str, Any]) -> str:
    """``config`` (scalars and flat lists) as block YAML, keys sorted, strings quoted.

    Written by hand because targets have no PyYAML; a JSON scalar is a YAML scalar, and quoting everything keeps
    "0600", "yes" and "1e3" strings.
    """
    lines = [HEADER]
    for name in sorted(config):
        value = config[name]
        if isinstance(value, list):
            lines.append("%s:%s\n" % (name, "" if value else " []"))
            lines.extend("  - %s\n" % json.dumps(item, ensure_ascii=False) for item in value)
        else:
            lines.append("%s: %s\n" % (name, json.dumps(value, ensure_ascii=False)))
    return "".join(lines)


def read_scalar(text: str, name: str) -> str:
    """The scalar value of a top-level key of some config.yaml, also one not written by us; "" when absent."""
    found = re.search(_SCALAR % re.escape(name), text, re.MULTILINE)
    if not found:
        return ""
    raw = found.group(1)
    if raw.startswith('"'):
        try:
            return str(json.JSONDecoder().raw_decode(raw)[0])
        except ValueError:
            return ""
    if raw.startswith("'"):
        return raw[1:].split("'")[0]
    return raw.split(" #")[0].strip()


def masked(text: str, before: str) -> str:
    """config.yaml for a diff: secrets hidden, and marked where they differ from ``before``."""
    for name in sorted(keys.SECRET):
        value = read_scalar(text, name)
        if value:
            note = "" if value == read_scalar(before, name) else " (new value)"
            text = re.sub(_SCALAR % re.escape(name), "%s: %s%s" % (name, token.MASK, note), text, flags=re.MULTILINE)
    return token.mask(text)


def environment(env: dict[str, Any]) -> str:
    """The unit's environment file. Values are quoted so that systemd takes them literally."""
    lines = ["%s=\"%s\"\n" % (name, re.sub(r"([\"\\$`])", r"\\\1", str(env[name]))) for name in sorted(env)]
    return HEADER + "".join(lines)


def masked_environment(text: str) -> str:
    """The environment file for a diff: values of secret-looking names are hidden."""
    lines = []
    for line in text.splitlines(True):
        name, equals, value = line.partition("=")
        hide = equals and not line.startswith("#") and keys.is_secret_env(name, value)
        lines.append("%s=%s\n" % (name, token.MASK) if hide else line)
    return "".join(lines)


def unit(runtime: str) -> str:
    """The systemd unit.

    KillMode=process keeps pods running while K3s restarts. TimeoutStartSec=0 because a first start may unpack and
    import for minutes; the wait with a deadline is ours. The last ExecStartPre notes what K3s starts with.
    """
    word = paths.SUBCOMMAND[runtime]
    return HEADER + """[Unit]
Description=K3s {word}
Documentation=https://docs.k3s.io
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-{env}
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStartPre=-/bin/sh -c "{record}"
ExecStart={binary} {word}

[Install]
WantedBy=multi-user.target
""".format(word=word, env=paths.env_file(runtime), binary=paths.BINARY,
           record=watched(runtime).command().replace("%", "%%"))
