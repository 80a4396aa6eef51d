# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was proven last of EdgeCore on this node: keep it, and put it back (I/O).

The binary is kept as a second name of the same file, which costs nothing until another one takes its place.
"""

from __future__ import annotations

import os
import shutil

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.upgrade import Kept

CONFIG, VERSION, DATABASE = (os.path.join(paths.PROVEN, name) for name in ("edgecore.yaml", "version", "database"))
SUFFIXES = ("", "-journal", "-wal", "-shm")
LIMIT = 256 * 1024


def kept() -> Kept:
    """What can be put back; nothing unless all of it is there."""
    version = _read(VERSION).strip()
    complete = version and os.path.exists(paths.PROVEN_BINARY) and os.path.exists(CONFIG)
    return Kept(version, os.path.exists(DATABASE)) if complete else Kept()


def is_current(version: str) -> bool:
    """Whether what is kept is what is in place now, in this version."""
    found = kept()
    return (found.version == version and not found.database and os.path.exists(paths.BINARY)
            and os.path.samefile(paths.PROVEN_BINARY, paths.BINARY) and _read(CONFIG) == _read(paths.CONFIG))


def keep(version: str) -> None:
    """Keep what is in place now. Its version is written last: what is cut off half-way counts as nothing."""
    os.makedirs(paths.PROVEN, mode=0o700, exist_ok=True)
    os.chmod(paths.PROVEN, 0o700)  # it may hold a database with secrets as plain text
    _forget(VERSION)
    shutil.rmtree(DATABASE, ignore_errors=True)
    _link(paths.BINARY, paths.PROVEN_BINARY)
    replace(CONFIG, _read(paths.CONFIG), 0o600)
    replace(VERSION, version + "\n", 0o600)


def set_database_aside() -> None:
    """Copy the database of an EdgeCore that is stopped; one that was set aside by an earlier try stays."""
    if os.path.exists(DATABASE) or not os.path.exists(paths.DATABASE):
        return
    unfinished = DATABASE + ".new"
    shutil.rmtree(unfinished, ignore_errors=True)
    os.makedirs(unfinished, mode=0o700)
    for suffix in SUFFIXES:
        if os.path.exists(paths.DATABASE + suffix):
            shutil.copy2(paths.DATABASE + suffix, os.path.join(unfinished, "edgecore.db" + suffix))
    os.rename(unfinished, DATABASE)


def put_back() -> None:
    """Binary, configuration and database of what was proven. EdgeCore must be stopped."""
    _link(paths.PROVEN_BINARY, paths.BINARY)
    replace(paths.CONFIG, _read(CONFIG), 0o600)
    if os.path.exists(DATABASE):
        for suffix in SUFFIXES:
            _forget(paths.DATABASE + suffix)
        for name in sorted(os.listdir(DATABASE)):
            shutil.copy2(os.path.join(DATABASE, name), os.path.join(paths.DATA, name))
        shutil.rmtree(DATABASE)


def _link(source: str, target: str) -> None:
    """Give a file a second name, in one step; a copy where the file system has no links."""
    temporary = target + ".edgeai-new"
    _forget(temporary)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    os.replace(temporary, target)
    _forget(temporary)  # rename() does nothing when both are one file already


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return ""
