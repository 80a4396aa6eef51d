# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA runtime in a containerd of the host, for EdgeCore: texts of its files, and what a dump of them says. Pure.

K3s needs none of this: it finds the runtime by itself whenever it starts.
"""
from __future__ import annotations

import fnmatch
import json
import os
import re

CONFIG = "/etc/containerd/config.toml"
PATH = "/etc/containerd/conf.d/50-edgeai-nvidia.toml"
BINARY = "/usr/bin/nvidia-container-runtime"
HEADER = "# Written by edgeai.sites (role nvidia_runtime); changes will be overwritten.\n"
_PLUGINS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
_IMPORTS = re.compile(r"^[ \t]*imports[ \t]*=[ \t]*\[((?:\s|,|#[^\n]*|\"[^\"\n]*\"|'[^'\n]*')*)\]", re.MULTILINE)
_ITEM = re.compile(r"#[^\n]*|\"([^\"\n]*)\"|'([^'\n]*)'")
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)
_VERSION = re.compile(r"^[ \t]*version[ \t]*=[ \t]*(\d+)[^\n]*\n?", re.MULTILINE)


class ContainerdError(Exception):
    """The configuration cannot be what is wanted; the text says what was found and what to do."""


# --- the drop-in -----------------------------------------------------------------------------------------------------


def drop_ins(dump, main, systemd_cgroup):
    """Texts of the drop-in, the best first, for a containerd whose configuration without it is ``dump``, with the file ``main``.

    It makes the runtime that of every pod: EdgeCore cannot resolve RuntimeClasses, so there is no other way to ask for it.
    Pods that asked for nothing still see no GPU while the environment variable counts for nothing (toolkit_config).

    containerd 1.x (version 2) does not merge: a drop-in that names the CRI plugin replaces everything that other files say of
    it, and the runtime runc with it. So there the drop-in carries all of that section. 2.x (version 3) merges, but beside a
    main file of version 2 a drop-in of version 3 can take settings from it (seen: the CNI directory, with 2.1).
    """
    version = config_version(dump)
    if version not in _PLUGINS:
        raise ContainerdError("found configuration version %d, wanted 2 (containerd 1.x) or 3 (2.x). Update containerd" % version)
    if version == 2:
        return [_text(2, _section(dump), systemd_cgroup)]
    declared = _VERSION.search(_top(main or ""))
    versions = [2, 3] if declared and declared.group(1) == "2" else [3]
    return [_text(number, [_header(number, "containerd"), '  default_runtime_name = "nvidia"'], systemd_cgroup) for number in versions]


def _text(version, section, systemd_cgroup):
    return "\n".join([HEADER + "version = %d" % version, ""] + section + [
        "", _header(version, "containerd.runtimes.nvidia"), '  runtime_type = "io.containerd.runc.v2"',
        "", _header(version, "containerd.runtimes.nvidia.options"), '  BinaryName = "%s"' % BINARY,
        # Two parties that drive one cgroup differently kill each other's pods.
        "  SystemdCgroup = %s" % ("true" if systemd_cgroup else "false"),
    ]) + "\n"


def _header(version, table):
    return "[plugins.'%s'.%s]" % (_PLUGINS[version], table)


def _section(dump):
    """The lines of the CRI plugin in a dump of version 2, without our runtime and with another default."""
    lines, inside = [], False
    for line in dump.splitlines():
        name = _table_name(line)
        if name is not None:
            inside = _of_plugin(name, 2) and not _of_runtime(name, "nvidia")
        if inside and line.strip():
            line = line[2:] if line.startswith("  ") else line
            if line.split("=")[0].strip() != "default_runtime_name":
                lines.append(line)
            if name == "plugins.%s.containerd" % _PLUGINS[2]:
                lines.append(line[:len(line) - len(line.lstrip())] + '  default_runtime_name = "nvidia"')
    return lines


def wants_systemd(dump, edgecore):
    """Whether containers belong into systemd's cgroups: as EdgeCore's configuration says, or else as runc does it."""
    return runc_systemd(dump) if edgecore_driver(edgecore) == "" else edgecore_driver(edgecore) == "systemd"


def edgecore_driver(text):
    """``cgroupDriver`` of an edgecore.yaml; "" when it says none."""
    found = re.search(r"^\s*cgroupDriver:\s*[\"']?(\w+)", text or "", re.MULTILINE)
    return found.group(1) if found else ""


def runc_systemd(dump):
    """Whether runc puts containers into systemd's cgroups by this configuration."""
    return _value(dump, "containerd.runtimes.runc.options", "SystemdCgroup") == "true"


def shown(text):
    """The text without the passwords of registries, for a diff."""
    return re.sub(r"(?m)^(\s*(?:password|auth|identitytoken)\s*=\s*).+$", r'\1"***"', text)


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
        name = _table_name(line)
        if name is not None:
            table = name
            found[table, ""] = ""
        elif "=" in line and not line.lstrip().startswith("#"):
            key, _equals, value = line.partition("=")
            found[table, key.strip()] = value.strip()
    return found


def problems(before, after, systemd_cgroup):
    """What is not as wanted in the dump ``after`` of a configuration with the drop-in; ``before`` is without. One text each."""
    disabled = flatten(after).get(("", "disabled_plugins"), "")
    if re.search(r"[\"'](io\.containerd\.grpc\.v1\.)?cri[\"']", disabled):
        return ["it has disabled_plugins = %s, so no kubelet can use it. Take cri out of that list in %s" % (disabled, CONFIG)]
    wanted = {
        ("containerd", "default_runtime_name"): "nvidia",
        ("containerd.runtimes.nvidia", "runtime_type"): "io.containerd.runc.v2",
        ("containerd.runtimes.nvidia.options", "BinaryName"): BINARY,
        ("containerd.runtimes.nvidia.options", "SystemdCgroup"): "true" if systemd_cgroup else "false",
    }
    found = ["%s would be %s, wanted %s: a file that is imported later says so, or %s has no line 'version = 2'" % (
        key, value or "nothing", wanted[table, key], CONFIG)
        for (table, key), value in ((place, _value(after, *place)) for place in wanted) if value != wanted[table, key]]
    lost = lost_keys(before, after)
    return found + (["it would lose what other files say: %s" % ", ".join(lost[:5])] if lost else [])


def lost_keys(before, after):
    """Keys of the dump ``before`` that ``after`` has not, or with another value, apart from what the drop-in is there for."""
    kept = flatten(after)
    return sorted(
        ".".join(filter(None, place)) for place, value in flatten(before).items()
        if kept.get(place) != value and place not in (("", "imports"), ("", "version"))
        and place[1] != "default_runtime_name" and not _of_runtime(place[0], "nvidia"))


def _value(dump, table, key):
    plugin = _PLUGINS.get(config_version(dump), "")
    return flatten(dump).get(("plugins.%s.%s" % (plugin, table), key), "").strip("\"'")


def _table_name(line):
    found = re.match(r"\s*\[(.+)\]\s*$", line)
    return found.group(1).replace('"', "").replace("'", "") if found and "=" not in line else None


def _of_plugin(table, version):
    name = "plugins." + _PLUGINS[version]
    return table == name or table.startswith(name + ".")


def _of_runtime(table, runtime):
    return re.search(r"\.containerd\.runtimes\.%s(\.|$)" % re.escape(runtime), table) is not None


# --- the main file ---------------------------------------------------------------------------------------------------


def imports(text):
    """The files and patterns that a configuration imports, absolute."""
    found = _IMPORTS.search(_top(text))
    items = [item.group(1) or item.group(2) for item in _ITEM.finditer(found.group(1))] if found else []
    return [os.path.join(os.path.dirname(CONFIG), item) for item in items if item]


def created(version):
    """The main file where there is none."""
    return HEADER + 'version = %d\nimports = ["%s"]\n' % (version, PATH)


def with_import(text):
    """The configuration with our drop-in among its imports; everything else stays."""
    if any(fnmatch.fnmatchcase(PATH, item) for item in imports(text)):
        return text
    found = _IMPORTS.search(_top(text))
    if found:
        last = [item for item in _ITEM.finditer(text, found.start(1), found.end(1)) if not item.group().startswith("#")]
        at = last[-1].end() if last else found.start(1)
        return text[:at] + (', "%s"' if last else '"%s"') % PATH + text[at:]
    version = _VERSION.search(_top(text))
    at = version.end() if version else 0
    newline = "" if not at or text[at - 1] == "\n" else "\n"
    return text[:at] + newline + 'imports = ["%s"]\n' % PATH + text[at:]


def without_import(text):
    """The configuration without what :func:`with_import` adds: containerd 1.x does not start when a named file is missing."""
    if '"%s"' % PATH not in _top(text):
        return text
    text = text.replace(', "%s"' % PATH, "", 1) if ', "%s"' % PATH in text else text.replace('"%s"' % PATH, "", 1)
    return re.sub(r"^[ \t]*imports[ \t]*=[ \t]*\[\s*\][ \t]*\n", "", text, count=1, flags=re.MULTILINE)


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


# --- containers ------------------------------------------------------------------------------------------------------


def pod_of(runtime, config):
    """``namespace/pod`` of a container that runs through NVIDIA's runtime, else "". From the two files of its bundle."""
    if os.path.basename((runtime or "").strip()) not in ("nvidia-container-runtime", "nvidia-container-runtime.cdi"):
        return ""
    try:
        notes = json.loads(config or "{}").get("annotations") or {}
    except ValueError:
        notes = {}
    names = [notes.get("io.kubernetes.cri.sandbox-%s" % part, "") for part in ("namespace", "name")]
    return "/".join(filter(None, names)) or "a container without a pod"
