"""Settings of `k3s server|agent` from config.yaml, config.yaml.d, the environment and the command line."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from standin_common import log
from . import flags

DEFAULT_CONFIG = "/etc/rancher/k3s/config.yaml"
DEFAULT_DATA_DIR = "/var/lib/rancher/k3s"


class UsageError(Exception):
    """An undefined flag. K3s prints its usage text and ends with code 1."""


class ConfigError(Exception):
    """A configuration file that cannot be read; the text is what the Go parser would say."""


def yaml_problem(problem: yaml.YAMLError) -> str:
    """PyYAML's complaint in the words of Go's parser."""
    text = getattr(problem, "problem", None) or str(problem)
    if "mapping values are not allowed" in text:
        text = "mapping values are not allowed in this context"
    elif text.startswith("expected ',' or ']'"):
        text = "did not find expected ',' or ']'"
    elif text.startswith("expected ',' or '}'"):
        text = "did not find expected ',' or '}'"
    elif "found character '\\t'" in text:
        text = "found character that cannot start any token"
    elif text.startswith("expected <block end>"):
        text = "did not find expected key"
    line = _go_line(problem)
    return f"yaml: line {line}: {text}" if line else f"yaml: {text}"


def _go_line(problem):
    """The line that Go's parser names: counted from 0, unless the scanner complains."""
    marks = [getattr(problem, name, None) for name in ("problem_mark", "context_mark")]
    line = next((m.line for m in marks if m and m.line), 0)
    return line + 1 if line and isinstance(problem, yaml.scanner.ScannerError) else line


def _load(path):
    try:
        data = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as problem:
        raise ConfigError(yaml_problem(problem)) from None
    if data is None:
        return []
    if not isinstance(data, dict):
        raise ConfigError("yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into yaml.MapSlice")
    return list(data.items())


def read_files(path):
    """[(key, [values])] of config.yaml and its drop-ins; a key ending in `+` appends to what came before."""
    pages = [path] if os.path.isfile(path) else []
    drop_ins = Path(str(path) + ".d")
    if drop_ins.is_dir():
        pages += [str(p) for p in sorted(drop_ins.iterdir()) if p.suffix in (".yaml", ".yml")]
    merged = {}
    for page in pages:
        for key, value in _load(page):
            key, append = str(key).rstrip("+"), str(key).endswith("+")
            values = [_text(v) for v in value] if isinstance(value, list) else [_text(value)]
            merged[key] = merged.get(key, []) + values if append else values
    return list(merged.items())


def _text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


class Settings:
    """Values by flag name; `text`, `flag` and `many` read them by kind."""

    def __init__(self, table):
        self._table = table
        self._values = {}
        self.arguments = []   # as the node's k3s.io/node-args annotation shows them

    def add(self, name, value):
        if self._table[name].kind == "L":
            self._values.setdefault(name, []).extend(str(value).split(","))
        else:
            self._values[name] = value

    def text(self, name, default=""):
        return self._values.get(name, default)

    def flag(self, name):
        return str(self._values.get(name, "false")).lower() in ("true", "1", "t")

    def many(self, name):
        return self._values.get(name, [])

    def has(self, name):
        return name in self._values

    @property
    def data_dir(self):
        return Path(self.text("data-dir", DEFAULT_DATA_DIR))

    def arguments_of(self, component):
        """{name: value} of kubelet-arg, kube-apiserver-arg, …"""
        return dict((a.split("=", 1) + ["true"])[:2] for a in self.many(f"{component}-arg"))

    def kubelet_arguments(self):
        """{name: value} of kubelet-arg."""
        return self.arguments_of("kubelet")


def _command_line(table, words):
    """[(name, value)] of command line words."""
    by_short = {f.short: f for f in table.values() if f.short}
    found, words = [], list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            raise UsageError(f"flag provided but not defined: {word}")
        name, has_value, value = word.lstrip("-").partition("=")
        flag = table.get(name) or by_short.get(name)
        if flag is None:
            raise UsageError(f"flag provided but not defined: -{name}")
        if not has_value:
            if flag.kind == "B":
                value = "true"
            elif words:
                value = words.pop(0)
            else:
                raise UsageError(f"flag needs an argument: -{name}")
        found.append((flag.name, value))
    return found


def settings_for(role, words):
    """Everything that `k3s <role> <words>` is to use. Warns (server) or fails (agent) on unknown keys."""
    table = flags.SERVER if role == "server" else flags.AGENT
    settings = Settings(table)
    given = _command_line(table, words)
    path = next((v for n, v in given if n == "config"), os.environ.get("K3S_CONFIG_FILE", DEFAULT_CONFIG))
    from_files, arguments = [], [role]
    for key, values in read_files(path):
        known = table.get(key) or next((f for f in table.values() if f.short == key), None)
        for value in values:
            if known is None and role == "server":
                log.warning(f"Unknown flag --{key} found in config.yaml, skipping\n")
                continue
            if known is None:
                raise UsageError(f"flag provided but not defined: -{key}")
            from_files.append((known.name, value))
    for name, value in from_files + given:
        secret = name in ("token", "agent-token", "vpn-auth", "etcd-s3-secret-key")
        arguments += [f"--{name}", "********" if secret else value]
    for flag in table.values():
        if flag.environment and os.environ.get(flag.environment):
            settings.add(flag.name, os.environ[flag.environment])
    overridden = {n for n, _ in given}
    for name, value in [(n, v) for n, v in from_files if n not in overridden or table[n].kind == "L"] + given:
        settings.add(name, value)
    settings.arguments = arguments
    return settings


def settings_for_data_dir(words):
    """The data directory alone: the program unpacks itself there before it looks at its settings."""
    for index, word in enumerate(words):
        if word.startswith("--data-dir="):
            return Path(word.split("=", 1)[1])
        if word in ("--data-dir", "-d") and index + 1 < len(words):
            return Path(words[index + 1])
    path = next((words[i + 1] for i, w in enumerate(words[:-1]) if w in ("--config", "-c")),
                os.environ.get("K3S_CONFIG_FILE", DEFAULT_CONFIG))
    return Path(dict(read_files(path)).get("data-dir", [os.environ.get("K3S_DATA_DIR", DEFAULT_DATA_DIR)])[-1])
