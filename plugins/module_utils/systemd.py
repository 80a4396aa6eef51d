# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd and its journal, through their command lines."""

from __future__ import annotations

import glob
import json
from typing import Any, Callable

from ansible_collections.edgeai.sites.plugins.module_utils.units import Unit

Run = Callable[..., Any]  # AnsibleModule.run_command

_PROPERTIES = ("ActiveState", "SubState", "Result", "NRestarts", "MainPID", "ExecMainStartTimestampMonotonic",
               "UnitFileState", "NeedDaemonReload", "DropInPaths", "LoadState")


def show(run: Run, unit: str) -> dict[str, str]:
    """The unit's properties; an absent unit has LoadState=not-found."""
    code, out, err = run(["systemctl", "show", unit, "--property", ",".join(_PROPERTIES)])
    if code != 0:
        raise RuntimeError("systemctl show %s failed: %s" % (unit, err.strip()))
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def state(properties: dict[str, str]) -> Unit:
    """The properties as a :class:`Unit`."""
    return Unit(active=properties.get("ActiveState", ""), sub=properties.get("SubState", ""),
                result=properties.get("Result", ""), restarts=int(properties.get("NRestarts") or 0),
                started=int(properties.get("ExecMainStartTimestampMonotonic") or 0) / 1e6,
                main_pid=int(properties.get("MainPID") or 0))


def unloaded(unit_file: str, properties: dict[str, str]) -> list[str]:
    """Drop-ins of a unit that systemd has not loaded. It does not notice a first one by itself: NeedDaemonReload stays "no"."""
    return sorted(set(glob.glob(unit_file + ".d/*.conf")) - set(properties.get("DropInPaths", "").split()))


def control(run: Run, *arguments: str) -> None:
    """``systemctl ARGUMENTS``; RuntimeError when it fails."""
    code, dummy, err = run(["systemctl"] + list(arguments))
    if code != 0:
        raise RuntimeError("systemctl %s failed: %s" % (" ".join(arguments), err.strip()))


def journal(run: Run, unit: str, identifier: str, since: float) -> list[str]:
    """Lines of this unit since ``since`` (seconds since 1970), oldest first, of the last 400.

    Lines are looked up by identifier too: where a kubelet moves its process to another cgroup, the journal no longer
    counts them to the unit.
    """
    code, out, dummy = run(["journalctl", "--no-pager", "--quiet", "--output=json", "--output-fields=MESSAGE",
                            "--lines=400", "--since=@%d" % since, "SYSLOG_IDENTIFIER=%s" % identifier, "+", "UNIT=%s" % unit])
    if code != 0:
        return []
    return [line for entry in out.splitlines() for line in _message(entry, since)]


def _message(text: str, since: float) -> list[str]:
    try:
        entry = json.loads(text)
    except ValueError:
        return []
    if int(entry.get("__REALTIME_TIMESTAMP") or 0) / 1e6 < since:  # --since knows whole seconds only
        return []
    message = entry.get("MESSAGE")
    if isinstance(message, list):  # the journal gives bytes for what is not UTF-8
        message = bytes(byte for byte in message if isinstance(byte, int)).decode("utf-8", "replace")
    return str(message or "").splitlines()
