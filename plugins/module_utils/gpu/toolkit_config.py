# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file config.toml of the NVIDIA container runtime: read its values, set some, leave everything else as it is.

Only the part of TOML that this file uses is read: tables, and keys with a string, a number, true or false, or a list of
strings. Anything else is refused with its line instead of being guessed. Targets have no TOML library (Python 3.8).
"""
from __future__ import annotations

import difflib
import json
import re

PATH = "/etc/nvidia-container-runtime/config.toml"
HEADER = "# Written by edgeai.sites (module nvidia_toolkit_config) because there was no file.\n"

ENVVAR = "accept-nvidia-visible-devices-envvar-when-unprivileged"
VOLUMES = "accept-nvidia-visible-devices-as-volume-mounts"
MODE = "nvidia-container-runtime.mode"
MODES = ("auto", "cdi", "csv", "jit-cdi", "legacy")

_RUNTIME = "nvidia-container-runtime."
#: Key -> type. A misspelt key would be dropped by the runtime without a word.
KNOWN = {
    VOLUMES: bool, ENVVAR: bool, "disable-require": bool, "supported-driver-capabilities": str, "swarm-resource": str,
    "nvidia-container-cli.debug": str, "nvidia-container-cli.environment": list, "nvidia-container-cli.ldcache": str,
    "nvidia-container-cli.ldconfig": str, "nvidia-container-cli.load-kmods": bool, "nvidia-container-cli.no-cgroups": bool,
    "nvidia-container-cli.path": str, "nvidia-container-cli.root": str, "nvidia-container-cli.user": str,
    _RUNTIME + "debug": str, _RUNTIME + "log-level": str, MODE: str, _RUNTIME + "runtimes": list,
    _RUNTIME + "modes.cdi.annotation-prefixes": list, _RUNTIME + "modes.cdi.default-kind": str,
    _RUNTIME + "modes.cdi.spec-dirs": list, _RUNTIME + "modes.csv.mount-spec-path": str,
    "nvidia-container-runtime-hook.path": str, "nvidia-container-runtime-hook.skip-mode-detection": bool,
    "nvidia-ctk.path": str,
}
_WORDS = {bool: "true or false", str: "text", list: "a list of text", int: "a whole number"}
_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*\]\s*(?:#.*)?\Z")
_KEY = re.compile(r'(\s*)([A-Za-z0-9_-]+|"[A-Za-z0-9_.-]+")\s*=\s*(.*)\Z')
_BARE = re.compile(r"(true|false|[+-]?\d+)\s*(#.*)?\Z")


class ConfigError(ValueError):
    """A file or a wish that cannot be worked with; the text says why."""


class _Key:
    """Where a key stands: lines ``start`` to ``end`` (exclusive), its indentation and the comment behind it."""

    def __init__(self, value, start, end, indent, comment):
        self.value, self.start, self.end, self.indent, self.comment = value, start, end, indent, comment


class _Document:
    """The lines of a file, its keys by dotted name, and for each table the line behind its last key."""

    def __init__(self, text):
        self.lines = text.splitlines()
        self.keys = {}
        self.ends = {"": 0}
        self._parse()

    def _parse(self):
        table, number = "", 0
        while number < len(self.lines):
            line = self.lines[number]
            if not line.strip() or line.lstrip().startswith("#"):
                number += 1
                continue
            header = _HEADER.match(line)
            if header:
                table = re.sub(r"\s", "", header.group(1))
                if table in self.ends:
                    raise _refused(number, line, "the table [%s] is there twice" % table)
                number += 1
                self.ends[table] = number
                continue
            number = self._parse_key(table, number)
            self.ends[table] = number

    def _parse_key(self, table, number):
        found = _KEY.match(self.lines[number])
        if not found:
            raise _refused(number, self.lines[number], "neither a table, a key with a value, nor a comment")
        indent, name, rest = found.groups()
        name = (table + "." if table else "") + name.strip('"')
        if name in self.keys:
            raise _refused(number, self.lines[number], "the key %s is there twice" % name)
        start, end = number, number + 1
        while rest.startswith("[") and not _list_ends(rest) and end < len(self.lines):
            rest += "\n" + self.lines[end]
            end += 1
        try:
            value, comment = _value(rest)
        except ValueError as error:
            raise _refused(start, self.lines[start], str(error))
        self.keys[name] = _Key(value, start, end, indent, comment)
        return end


def _refused(number, line, why):
    return ConfigError(
        "line %d cannot be read: %s. Found: %.100r. Correct the line, or move the file away and let the toolkit write a new one"
        % (number + 1, why, line))


def _value(text):
    """``(value, comment behind it)`` of what follows the equals sign."""
    if text.startswith("["):
        return _list(text)
    if text.startswith('"""') or text.startswith("'''"):
        raise ValueError("text of several lines is not supported")
    if text[:1] in ('"', "'"):
        value, end = _string(text, 0)
        return value, _comment(text[end:])
    bare = _BARE.match(text)
    if not bare:
        raise ValueError("its value is neither text, a whole number, true, false, nor a list of text")
    word, comment = bare.groups()
    return (word == "true" if word in ("true", "false") else int(word)), comment or ""


def _string(text, start):
    """``(string, index behind it)`` of the quoted string at ``start``."""
    quote = text[start]
    if quote == "'":
        end = text.find("'", start + 1)
        if end < 0 or "\n" in text[start:end]:
            raise ValueError("text without an end")
        return text[start + 1:end], end + 1
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except ValueError:
        raise ValueError("text that cannot be read")
    return value, end


def _comment(text):
    text = text.strip()
    if text and not text.startswith("#"):
        raise ValueError("something follows the value: %.40r" % text)
    return text


def _list(text):
    """A list of strings over one or several lines; comments inside are skipped."""
    items, at, expect_item = [], 1, True
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
        elif char == "#":
            at = text.find("\n", at)
            if at < 0:
                break
        elif char == "]":
            return items, _comment(text[at + 1:])
        elif char == "," and not expect_item:
            expect_item, at = True, at + 1
        elif char in "\"'" and expect_item:
            item, at = _string(text, at)
            items.append(item)
            expect_item = False
        else:
            raise ValueError("a list that has something else than text")
    raise ValueError("a list without an end")


def _list_ends(text):
    try:
        _list(text)
    except ValueError as error:
        return "without an end" not in str(error)
    return True


def read(text):
    """``{dotted key: value}`` of what the file sets; raises ConfigError."""
    return {name: key.value for name, key in _Document(text).keys.items()}


def defaults(gpu, volume_mounts=False):
    """What this collection sets for a kind of GPU (dgpu, tegra); ``volume_mounts``: a card gets its devices by them too.

    By default the runtime obeys NVIDIA_VISIBLE_DEVICES of any image, and most CUDA images say ``all``: a pod that asked for
    nothing would see every GPU. So the variable counts for nothing; devices come from CDI, or as mounts, which only the
    kubelet adds to a pod: on Tegra, whose device plugin has no CDI names, and where EdgeCore's containerd takes none.
    """
    tegra = gpu == "tegra"
    return {MODE: "csv" if tegra else "cdi", ENVVAR: False, VOLUMES: tegra or volume_mounts}


def check(wanted):
    """Problems of the wanted settings, one sentence each; empty when all is well."""
    problems = []
    for name in sorted(wanted):
        value = wanted[name]
        kind = bool if name.startswith("features.") else KNOWN.get(name)
        if kind is None:
            near = difflib.get_close_matches(name, list(KNOWN), n=1)
            problems.append("%s: the toolkit has no such setting%s" % (name, "; did you mean %s?" % near[0] if near else ""))
        elif value is not None and not _is_kind(value, kind):
            problems.append("%s: found %r, wanted %s" % (name, value, _WORDS[kind]))
    if wanted.get(MODE) is not None and wanted[MODE] not in MODES:
        problems.append("%s: found %r, wanted one of %s" % (MODE, wanted[MODE], ", ".join(MODES)))
    return problems


def _is_kind(value, kind):
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def apply(text, wanted):
    """``(new text, {key: (before, after)})``: the file with the ``wanted`` values; a value of None removes the key.

    Keys that have their value already stay as they are written; lines of others are never touched.
    """
    document = _Document(text)
    changes = {}
    for name, value in wanted.items():
        key = document.keys.get(name)
        before = key.value if key else None
        if before != value or type(before) is not type(value):
            changes[name] = (before, value)
    edits = []
    for name, (_before, value) in changes.items():
        key = document.keys.get(name)
        if key:
            edits.append((key.start, key.end, _lines(key, name, value)))
    lines = list(document.lines)
    new = [name for name, (before, value) in changes.items() if name not in document.keys and value is not None]
    # Tables that are there first: what goes behind the last of them must not land in a new one.
    for table in sorted({name.rpartition(".")[0] for name in new}, key=lambda name: (name not in document.ends, name)):
        added = ["%s = %s" % (name.rpartition(".")[2], _written(changes[name][1]))
                 for name in sorted(new) if name.rpartition(".")[0] == table]
        if table in document.ends:
            edits.append((document.ends[table], document.ends[table], added))
        else:
            edits.append((len(lines), len(lines), ([""] if lines else []) + ["[%s]" % table] + added))
    # From the end to the start, so that the line numbers of what is still to do hold; equal ones keep their order.
    for start, end, replacement in sorted(reversed(edits), key=lambda edit: (edit[0], edit[1]), reverse=True):
        lines[start:end] = replacement
    return ("\n".join(lines) + "\n" if lines else ""), changes


def _lines(key, name, value):
    if value is None:
        return []
    text = "%s%s = %s" % (key.indent, name.rpartition(".")[2], _written(value))
    return [text + (" " + key.comment if key.comment else "")]


def _written(value):
    return json.dumps(value, ensure_ascii=False)
