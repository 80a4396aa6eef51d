"""`k3s ctr images ls [-q]`: the image store, read from its index."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from standin_common import host, log
from . import faults
from .config import DEFAULT_DATA_DIR
from .kubelet.images import ImageStore


def _size(amount):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return ""


def main(words):
    words = list(words)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-n", "--namespace", "-a", "--address") and words:
            words.pop(0)
    if words[:1] == ["version"]:
        print("Client:\n  Version:  v2.3.2-k3s2\n\nServer:\n  Version:  v2.3.2-k3s2")
        return 0
    if words[:1] not in (["images"], ["image"], ["i"]) or words[1:2] not in (["ls"], ["list"]):
        print("the stand-in knows: ctr images ls [-q], ctr version", file=sys.stderr)
        return 1
    if not os.path.exists("/run/k3s/containerd/containerd.sock"):
        print('ctr: failed to dial "/run/k3s/containerd/containerd.sock": connection error: desc = "transport: Error '
              'while dialing: dial unix /run/k3s/containerd/containerd.sock: connect: no such file or directory"',
              file=sys.stderr)
        return 1
    if not host.has_cgroup_v2():
        log.warning("DEPRECATION: The support for cgroup v1 is deprecated since containerd v2.2 and will be removed by no "
                    "later than May 2029. Upgrade the host to use cgroup v2.")
    rows = ImageStore(Path(DEFAULT_DATA_DIR) / "agent", faults.Faults()).listing()
    if any(w in ("-q", "--quiet") for w in words[2:]):
        for row in rows:
            print(row[0])
        return 0
    header = ("REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS")
    table = [header] + [(r[0], r[1], r[2], _size(r[3]), r[4], r[5]) for r in rows]
    widths = [max(len(row[i]) for row in table) for i in range(6)]
    for row in table:
        print(" ".join(cell.ljust(width) for cell, width in zip(row, widths)))
    return 0
