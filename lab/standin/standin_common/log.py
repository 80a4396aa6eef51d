"""Log lines in the two formats that operators grep for: K3s's own, and those of the Kubernetes parts."""

from __future__ import annotations

import json
import os
import re
import sys
import time


def _quote(value: str) -> str:
    """logrus quotes a value unless it is made of a few plain characters."""
    if value and re.fullmatch(r"[A-Za-z0-9\-._/@^+]+", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _write(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # the journal went away: go on without it
        pass


def _k3s(level: str, message: str, fields: dict) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if message:
        text = f'time="{stamp}" level={level} msg={json.dumps(message, ensure_ascii=False)}'
    else:
        text = f'time="{stamp}" level={level}'
    _write(text + "".join(f" {k}={_quote(str(v)) if v != '' else ''}" for k, v in fields.items()))


def info(message: str, **fields) -> None:
    _k3s("info", message, fields)


def warning(message: str, **fields) -> None:
    _k3s("warning", message, fields)


def error(message: str, **fields) -> None:
    _k3s("error", message, fields)


def fatal(message: str) -> None:
    """Logs and ends the process with exit code 1, like logrus' Fatal."""
    _k3s("fatal", message, {})
    sys.stderr.flush()
    os._exit(1)


def kubernetes(severity: str, source: str, message: str) -> None:
    """One line as klog writes it, e.g. `I1123 09:18:31.496079     124 kubelet_node_status.go:78] "…"`."""
    now = time.time()
    stamp = time.strftime("%m%d %H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}"
    _write(f"{severity}{stamp} {os.getpid():7d} {source}] {message}")


def plain(line: str) -> None:
    _write(line)
