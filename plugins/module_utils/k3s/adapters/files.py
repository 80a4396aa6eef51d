# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a K3s node: read and compare."""

from __future__ import annotations

import glob
import os
import stat

from ansible_collections.edgeai.sites.plugins.module_utils import started
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import evidence, identity, nvidia, paths, token

READ_LIMIT = 1024 * 1024  # bytes; every file read whole here is a small text


def read(path: str) -> str:
    """Text of a small file; "" when it is absent."""
    try:
        with open(path, "rb") as stream:
            return stream.read(READ_LIMIT).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def names(directory: str) -> list[str]:
    """YAML files in a directory, sorted; empty when it is absent."""
    return sorted(os.path.basename(path) for path in glob.glob(directory + "/*.yaml") + glob.glob(directory + "/*.yml"))


def mode(path: str) -> int | None:
    """Permission bits, or None when the path is absent."""
    try:
        return stat.S_IMODE(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


def recorded() -> started.Record | None:
    """What K3s noted when it was started, or None."""
    text = read(paths.STARTED)
    return started.parse(text, evidence.ignored) if text else None


def nvidia_runtime() -> nvidia.Found:
    """The NVIDIA runtime on disk, and what K3s found of it when it started."""
    # ctime: a package gives its files the times of its build
    installed = [os.stat(path).st_ctime for path in nvidia.BINARIES if os.access(path, os.X_OK)]
    config = read(nvidia.GENERATED)
    return nvidia.Found(
        config=config,
        written=os.stat(nvidia.GENERATED).st_mtime if config else 0.0,
        installed=max(installed) if installed else 0.0,
        template=next((path for path in nvidia.TEMPLATES if os.path.exists(path)), ""),
    )


def existing(runtime: str, config_token: str, config_server: str) -> identity.Existing:
    """What K3s left on this host so far."""
    return identity.Existing(
        datastore=bool(glob.glob(paths.SERVER + "/db/state.db") or glob.glob(paths.SERVER + "/db/etcd/member")),
        server_token=read(paths.SERVER + "/token").strip(),
        passwd=read(paths.SERVER + "/cred/passwd"),
        joined=os.path.exists(paths.AGENT + "/client-kubelet.crt"),
        ca_hashes=token.hashes(read(paths.AGENT + "/server-ca.crt").encode("utf-8")),
        other_unit=os.path.exists(paths.unit_file(paths.other(runtime))),
        config_token=config_token,
        config_server=config_server,
    )
