"""The command line of edgecore."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml
from standin_common import log

from . import config

_USAGE = """\
Usage:
  edgecore [flags]

Flags:
      --config string    The path to the configuration file. Flags override values in this file. (default "%s")
      --defaultconfig    Print default configuration for reference, users can refer to it to create their own configuration files.
  -h, --help             help for edgecore
      --minconfig        Print min configuration for reference, users can refer to it to create their own configuration files.
  -v, --v Level          number for the log level verbosity
      --version version[=true]   Print version information and quit""" % config.PATH


def main():
    words, path = sys.argv[1:], config.PATH
    while words:
        word = words.pop(0)
        name, given, value = word.partition("=")
        if name == "--config":
            path = value if given else words.pop(0) if words else _usage_error("flag needs an argument: --config")
        elif name in ("-h", "--help"):
            print(_USAGE)
            return
        elif name in ("--defaultconfig", "--minconfig"):
            print(yaml.safe_dump(config.defaults()))
            return
        elif name in ("-v", "--v", "--vmodule", "--log-flush-frequency"):
            if not given and words:
                words.pop(0)
        elif name != "--version":       # which upstream takes and forgets: the program starts
            _usage_error(f"unknown flag: {name}")
    try:
        settings = config.load(path)
    except config.Invalid as problem:
        _fatal(problem.source, str(problem))
    if os.environ.get("CHECK_EDGECORE_ENVIRONMENT") != "false" and not settings.meta_server["enable"] and _kubelet_runs():
        _fatal("server.go:120", "failed to check the running environment: kubelet should not be running on edge node when starting "
               "edgecore")
    from .server import EdgeCore
    EdgeCore(settings).run()


def _usage_error(text):
    print(f"Error: {text}\n{_USAGE}\n\n{text}", file=sys.stderr)
    raise SystemExit(1)


def _fatal(source, text):
    log.kubernetes("F", source, text)
    raise SystemExit(1)


def _kubelet_runs():
    for entry in Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text().strip() == "kubelet":
                return True
        except OSError:
            continue
    return False
