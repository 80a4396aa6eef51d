# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a host's containerd: what a dump of it says, and its main file with the drop-ins of this collection. Pure.

A *dump* is what ``containerd config dump`` prints, of version 2 (containerd 1.x) or 3 (2.x).
"""
from __future__ import annotations

import fnmatch
import json
import os
import re

CONFIG = "/etc/containerd/config.toml"
HEADER = "# Written by edgeai.sites; changes will be overwritten.\n"
#: The plugin that serves Kubernetes, by configuration version.
PLUGINS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
_IMPORTS = re.compile(r"^[ \t]*imports[ \t]*=[ \t]*\[((?:\s|,|#[^\n]*|\"[^\"\n]*\"|'[^'\n]*')*)\]", re.MULTILINE)
_ITEM = re.compile(r"#[^\n]*|\"([^\"\n]*)\"|'([^'\n]*)'")
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)
_DISABLED = re.compile(r"^[ \t]*disabled_plugins[ \t]*=[ \t]*\[((?:\s|,|#[^\n]*|\"[^\"\n]*\"|'[^'\n]*')*)\]", re.MULTILINE)
_CRI = re.compile(r"[\"'](io\.containerd\.(grpc|cri)\.v1\.)?cri[\"']")
_VERSION = re.compile(r"^[ \t]*version[ \t]*=[ \t]*(\d+)[^\n]*\n?", re.MULTILINE)


class ContainerdError(Exception):
    """The configuration cannot be what is wanted; the text says what was found and what to do."""


# --- what a dump says ------------------------------------------------------------------------------------------------


def config_version(dump):
    """The version of a configuration as ``containerd config dump`` prints it; 0 when it says none."""
    found = re.search(r"^version = (\d+)\s*$", dump, re.MULTILINE)
    return int(found.group(1)) if found else 0


def has_runtime(text, name="nvidia"):
    """Whether a containerd configuration knows the runtime ``name``, in the quoting of any version."""
    return bool(re.search(r"^\s*\[plugins\..*\.containerd\.runtimes\.[\"']?%s[\"']?\]" % re.escape(name), text, re.MULTILINE))


def flatten(dump):
    """``{(table, key): value as written}`` of a dump, which has one line for each; quotes of table names are dropped."""
    found, table = {}, ""
    for line in dump.splitlines():
        name = table_name(line)
        if name is not None:
            table = name
            found[table, ""] = ""
        elif "=" in line and not line.lstrip().startswith("#"):
            key, _equals, value = line.partition("=")
            found[table, key.strip()] = value.strip()
    return found


def wants_systemd(dump, edgecore):
    """Whether containers belong into systemd's cgroups: as EdgeCore's configuration says, or else as runc does it."""
    return runc_systemd(dump) if edgecore_driver(edgecore) == "" else edgecore_driver(edgecore) == "systemd"


def edgecore_driver(text):
    """``cgroupDriver`` of an edgecore.yaml; "" when it says none."""
    found = re.search(r"^\s*cgroupDriver:\s*[\"']?(\w+)", text or "", re.MULTILINE)
    return found.group(1) if found else ""


def runc_systemd(dump):
    """Whether runc puts containers into systemd's cgroups by this configuration."""
    return value(dump, "containerd.runtimes.runc.options", "SystemdCgroup") == "true"


def value(dump, table, key):
    """A value below the CRI plugin, without quotes; "" when it is not there."""
    plugin = PLUGINS.get(config_version(dump), "")
    return flatten(dump).get(("plugins." + plugin + ("." + table if table else ""), key), "").strip("\"'")


def lost_keys(before, after, ours):
    """Keys of the dump ``before`` that ``after`` has not, or with another value. ``ours(table, key)``: a change that is wanted."""
    kept = flatten(after)
    return sorted(
        ".".join(filter(None, place)) for place, text in flatten(before).items()
        if kept.get(place) != text and place not in (("", "imports"), ("", "version")) and not ours(*place))


def cri_disabled(text):
    """What a dump or a file disables, when that takes the CRI plugin with it; "" otherwise."""
    found = _DISABLED.search(_top(text) if _TABLE.search(text) else text)
    return " ".join(found.group().split()) if found and _CRI.search(found.group(1)) else ""


def table_name(line):
    """The name of the table that a line opens, without quotes; None for other lines."""
    found = re.match(r"\s*\[(.+)\]\s*$", line)
    return found.group(1).replace('"', "").replace("'", "") if found and "=" not in line else None


def of_plugin(table, version):
    """Whether a table belongs to the CRI plugin."""
    name = "plugins." + PLUGINS[version]
    return table == name or table.startswith(name + ".")


def of_runtime(table, runtime):
    """Whether a table belongs to the runtime of that name."""
    return re.search(r"\.containerd\.runtimes\.%s(\.|$)" % re.escape(runtime), table) is not None


def section(dump, settings, without=""):
    """The lines of the CRI plugin in a dump of version 2, with ``settings`` in it and without the runtime ``without``.

    containerd 1.x does not merge: a drop-in that names the plugin replaces everything that other files say of it. So a drop-in
    of version 2 has to repeat it. ``settings`` is ``{table below the plugin: {key: value as written}}``.
    """
    lines, keys, left = [], {}, dict(settings)
    inside = False
    for line in dump.splitlines():
        name = table_name(line)
        if name is not None:
            inside = of_plugin(name, 2) and not (without and of_runtime(name, without))
            keys = left.pop(name[len("plugins." + PLUGINS[2]) + 1:], {}) if inside else {}
        if inside and line.strip():
            line = line[2:] if line.startswith("  ") else line
            if name is not None or line.split("=")[0].strip() not in keys:
                lines.append(line)
            if name is not None:
                indent = line[:len(line) - len(line.lstrip())] + "  "
                lines += ["%s%s = %s" % (indent, key, keys[key]) for key in sorted(keys)]
    return lines + tables(2, left)


def tables(version, settings):
    """``settings`` as tables of the CRI plugin of a configuration version."""
    lines = []
    for table in sorted(settings):
        lines += ["", header(version, table)] + ["  %s = %s" % (key, settings[table][key]) for key in sorted(settings[table])]
    return lines


def versions(dump, main):
    """Configuration versions that a drop-in may have beside the file ``main``, the best first; raises ContainerdError.

    2.x merges, but beside a main file of version 2 a drop-in of version 3 can take settings from it (seen: the CNI directory,
    with 2.1).
    """
    version = config_version(dump)
    if version not in PLUGINS:
        raise ContainerdError("found configuration version %d, wanted 2 (containerd 1.x) or 3 (2.x). Update containerd" % version)
    if version == 2:
        return [2]
    declared = _VERSION.search(_top(main or ""))
    return [2, 3] if declared and declared.group(1) == "2" else [3]


def header(version, table):
    """The line that opens a table below the CRI plugin; "" is the plugin's own."""
    return "[plugins.'%s'%s]" % (PLUGINS[version], "." + table if table else "")


def shown(text):
    """The text without the passwords of registries, for a diff."""
    return re.sub(r"(?m)^(\s*(?:password|auth|identitytoken)\s*=\s*).+$", r'\1"***"', text)


# --- the main file ---------------------------------------------------------------------------------------------------


def imports(text):
    """The files and patterns that a configuration imports, absolute."""
    found = _IMPORTS.search(_top(text))
    items = [item.group(1) or item.group(2) for item in _ITEM.finditer(found.group(1))] if found else []
    return [os.path.join(os.path.dirname(CONFIG), item) for item in items if item]


def created(version, path):
    """The main file where there is none, with the drop-in ``path``."""
    return HEADER + 'version = %d\nimports = ["%s"]\n' % (version, path)


def with_import(text, path):
    """The configuration with the drop-in ``path`` among its imports, in the order of their names; everything else stays."""
    if any(fnmatch.fnmatchcase(path, item) for item in imports(text)):
        return text
    found = _IMPORTS.search(_top(text))
    if found:
        items = [item for item in _ITEM.finditer(text, found.start(1), found.end(1)) if not item.group().startswith("#")]
        for item in items:
            name = item.group(1) or item.group(2) or ""
            # Later files win: the drop-ins of this collection count on the order of their numbers.
            if os.path.dirname(name) == os.path.dirname(path) and name > path:
                return text[:item.start()] + '"%s", ' % path + text[item.start():]
        at = items[-1].end() if items else found.start(1)
        return text[:at] + (', "%s"' if items else '"%s"') % path + text[at:]
    version = _VERSION.search(_top(text))
    at = version.end() if version else 0
    newline = "" if not at or text[at - 1] == "\n" else "\n"
    return text[:at] + newline + 'imports = ["%s"]\n' % path + text[at:]


def without_import(text, path):
    """The configuration without what :func:`with_import` adds: containerd 1.x does not start when a named file is missing."""
    if '"%s"' % path not in _top(text):
        return text
    for part in (', "%s"' % path, '"%s", ' % path, '"%s"' % path):
        if part in text:
            text = text.replace(part, "", 1)
            break
    return re.sub(r"^[ \t]*imports[ \t]*=[ \t]*\[\s*\][ \t]*\n", "", text, count=1, flags=re.MULTILINE)


def with_cri(text):
    """The configuration without cri among its disabled plugins; everything else stays."""
    found = _DISABLED.search(_top(text))
    if not found:
        return text
    kept = [item.group() for item in _ITEM.finditer(found.group(1)) if not item.group().startswith("#") and not _CRI.match(item.group())]
    return text[:found.start(1)] + ", ".join(kept) + text[found.end(1):] if _CRI.search(found.group(1)) else text


def with_imports(text, paths):
    """The configuration with exactly these imports: to look at it as it would be."""
    line = "imports = %s" % json.dumps(list(paths))
    found = _IMPORTS.search(_top(text))
    if found:
        return text[:found.start()] + line + text[found.end():]
    return line + "\n" + text


def _top(text):
    """What comes before the first table."""
    table = _TABLE.search(text)
    return text[:table.start()] if table else text
