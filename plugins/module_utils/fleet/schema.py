# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of fleet.yml as a JSON Schema (draft 2020-12).

Every pattern carries a ``description``: it is what an error calls the wanted form.
Rules between keys (unique names, runtime mix, references) are in rules.py.
"""

from __future__ import annotations

RUNTIMES = ("k3s_server", "k3s_agent", "edgecore")
ARCHITECTURES = ("amd64", "arm64", "arm")
GPUS = ("none", "dgpu", "tegra")
SHAPES = ("cluster", "host")
TRANSPORTS = ("websocket", "quic")
# CloudCore listens on these; quic is UDP, the others TCP.
PORTS = ("websocket", "quic", "https", "stream", "tunnel")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# What people write for a value, and what it is called here.
ALIASES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "x64": "amd64",
    "aarch64": "arm64",
    "armv8": "arm64",
    "armhf": "arm",
    "armv7": "arm",
    "armv7l": "arm",
    "server": "k3s_server",
    "agent": "k3s_agent",
    "k3s": "k3s_server",
    "kubeedge": "edgecore",
    "binary": "host",
    "systemd": "host",
    "deployment": "cluster",
    "ws": "websocket",
    "wss": "websocket",
    "nvidia": "dgpu",
    "jetson": "tegra",
    "monday": "mon",
    "tuesday": "tue",
    "wednesday": "wed",
    "thursday": "thu",
    "friday": "fri",
    "saturday": "sat",
    "sunday": "sun",
}


def _object(properties: dict, required: tuple = (), **more) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _whole(pattern: str) -> str:
    """The whole text: $ alone would let a newline pass at the end."""
    return f"^(?:{pattern})$(?!\n)"


def _list(items: dict, **more) -> dict:
    return {"type": "array", "items": items, **more}


NAME = {
    "type": "string",
    "pattern": _whole(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"),
    "description": "an RFC 1123 label: lower-case letters, digits and dashes, 63 at most, no dash at either end",
}
NAMES = _list(NAME, uniqueItems=True)
TEXT = {"type": "string", "minLength": 1}
CLOCK = {
    "type": "string",
    "pattern": _whole(r"([01][0-9]|2[0-3]):[0-5][0-9]"),
    "description": 'a time of day in quotes, "HH:MM"',
}
QUANTITY = {
    "type": ["string", "number"],
    "pattern": _whole(r"[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?"),
    "exclusiveMinimum": 0,
    "description": "a Kubernetes quantity such as 250m, 2 or 512Mi",
}
API = {
    "type": "string",
    "pattern": _whole(r"https://[^/\s]+"),
    "description": "the https:// address of the Kubernetes API without a path",
}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
VARS = {
    "type": "object",
    "propertyNames": {
        "type": "string",
        "pattern": _whole(r"[A-Za-z_][A-Za-z0-9_]*"),
        "description": "an Ansible variable name: letters, digits and underscores, no digit first",
    },
}
LABELS = {
    "type": "object",
    "propertyNames": {
        "type": "string",
        "pattern": _whole(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"),
        "description": "a Kubernetes label key: [prefix/]name",
    },
    "additionalProperties": {
        "type": "string",
        "pattern": _whole(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"),
        "description": "a Kubernetes label value: letters, digits, dashes, underscores and dots, 63 at most",
    },
}

WINDOW = _object(
    {
        "days": _list({"enum": list(DAYS)}, minItems=1, uniqueItems=True),
        "start": CLOCK,
        "end": CLOCK,
    },
    required=("days", "start", "end"),
)

NODE = _object(
    {
        "name": NAME,
        "address": TEXT,
        "runtime": {"enum": list(RUNTIMES)},
        "arch": {"enum": list(ARCHITECTURES)},
        "gpu": {"enum": list(GPUS)},
        "labels": LABELS,
        "lines": NAMES,
        "vars": VARS,
    },
    required=("name", "address", "runtime", "arch"),
)

CLOUDCORE = _object(
    {
        "shape": {"enum": list(SHAPES)},
        "addresses": _list(TEXT, minItems=1, uniqueItems=True),
        "names": _list(TEXT, uniqueItems=True),
        "ports": _object({name: PORT for name in PORTS}),
    }
)

SITE = _object(
    {
        "name": NAME,
        "timezone": TEXT,
        "wan_mbit": {"type": "number", "exclusiveMinimum": 0},
        "windows": _list(WINDOW),
        "api": API,
        "transport": {"enum": list(TRANSPORTS)},
        "cloudcore": CLOUDCORE,
        "vars": VARS,
        "nodes": _list(NODE, minItems=1),
    },
    required=("name", "nodes"),
    # A window without a time zone is a window at the wrong hour.
    dependentRequired={"windows": ["timezone"]},
)

CLOUD = _object(
    {
        "api": API,
        "cloudcore": CLOUDCORE,
        "vars": VARS,
        # A cloud host may be a plain SSH host: it then has no runtime.
        "nodes": _list({**NODE, "required": ["name", "address", "arch"]}),
    }
)

WORKLOAD = _object(
    {
        "name": NAME,
        "image": {
            "type": "string",
            "pattern": _whole(r"[a-z0-9]([-a-z0-9._]*[a-z0-9])?:[A-Za-z0-9_][-A-Za-z0-9_.]*"),
            "description": "<artifact name>:<artifact version> of an image in the bundle, such as vision:1",
        },
        "runs_on": _object(
            {
                "lines": {**NAMES, "minItems": 1},
                "nodes": {**NAMES, "minItems": 1},
                "labels": {**LABELS, "minProperties": 1},
            },
            minProperties=1,
            maxProperties=1,
        ),
        "port": PORT,
        "model": TEXT,
        "load_seconds": {"type": "number", "exclusiveMinimum": 0},
        "env": {
            "type": "object",
            "propertyNames": {
                "type": "string",
                "pattern": _whole(r"[-._A-Za-z][-._A-Za-z0-9]*"),
                "description": "the name of an environment variable",
            },
            "additionalProperties": {
                "type": "string",
                "description": "text; put numbers and true or false in quotes",
                "writeOnly": True,  # may be a password: errors do not repeat it
            },
        },
        "resources": _object({"cpu": QUANTITY, "memory": QUANTITY}),
        "gpu": {"type": "integer", "minimum": 0},
        "health": _object(
            {
                "path": {"type": "string", "pattern": "^/", "description": "a path that begins with /"},
                "expression": TEXT,
            },
            required=("path", "expression"),
        ),
        "golden": _object({"request": {"type": "object"}, "expect": TEXT}, required=("request", "expect")),
    },
    # Without a health expression and a known answer nothing could be proven of a workload.
    required=("name", "image", "runs_on", "port", "health", "golden"),
)

FLEET = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "fleet.yml of edgeai.sites",
    **_object(
        {
            "plugin": {"const": "edgeai.sites.fleet"},
            "fleet": NAME,
            "vars": VARS,
            "workloads": _list(WORKLOAD),
            "sites": _list(SITE, minItems=1),
            "cloud": CLOUD,
        },
        required=("plugin", "fleet", "sites"),
    ),
}
