# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door from this package to a host: bounded reads and programs with a deadline."""
from __future__ import annotations

import os
import stat
import subprocess
import time

READ_LIMIT = 256 * 1024


class LocalHost:
    """The machine this code runs on, or a recorded tree of one.

    With ``root`` other than ``/`` every path is looked up below it, and programs are the business of ``run_command``
    (a function of argv and timeout): those of this machine would tell of the wrong one.
    """

    def __init__(self, root="/", run_command=None):
        self._root = root
        self._run_command = run_command or (_run if root == "/" else _no_programs)

    def path(self, path):
        """Where ``path`` really lies."""
        return os.path.join(self._root, path.lstrip("/"))

    def read(self, path, limit=READ_LIMIT):
        """Text of a file, at most ``limit`` bytes; None when there is none. Other errors are raised as OSError."""
        content = self.read_bytes(path, limit)
        return None if content is None else content.decode("utf-8", "replace")

    def read_bytes(self, path, limit=READ_LIMIT):
        try:
            # Never wait on a FIFO that somebody put in the place of a file.
            handle = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(handle, "rb") as stream:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                return None
            return stream.read(limit)

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def mode(self, path):
        """Permission bits, or None when the file does not exist."""
        try:
            return stat.S_IMODE(os.stat(self.path(path)).st_mode)
        except OSError:
            return None

    def readlink(self, path):
        """Target of a symbolic link, or None when it is none."""
        try:
            return os.readlink(self.path(path))
        except OSError:
            return None

    def names(self, path, limit=65536):
        """Sorted names in a directory; empty when there is none."""
        try:
            return sorted(os.listdir(self.path(path)))[:limit]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def space(self, path):
        """``(nearest existing parent, free bytes, read-only)`` of the file system that holds ``path``."""
        while not os.path.isdir(self.path(path)) and path != "/":
            path = os.path.dirname(path)
        found = os.statvfs(self.path(path))
        return path, found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY)

    def run(self, *argv, timeout=10):
        """``(exit code, output)`` of a program; exit code 127 when it does not exist, 124 when it ran out of time."""
        return self._run_command(argv, timeout)

    def hostname(self):
        return (self.read("/proc/sys/kernel/hostname") or "").strip()

    def machine(self):
        """``uname -m``; kernels from 6.1 also have it as a file, which a recorded tree can hold."""
        return (self.read("/proc/sys/kernel/arch") or "").strip() or os.uname().machine

    def kernel(self):
        return (self.read("/proc/sys/kernel/osrelease") or "").strip()

    def cpus(self):
        return os.cpu_count() or 0

    def now(self):
        return time.time()


def _no_programs(argv, _timeout):
    return 127, f"{argv[0]} is not run in a recorded tree"


def _run(argv, timeout):
    environment = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return 124, f"{argv[0]} did not end within {timeout} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout[:READ_LIMIT].decode("utf-8", "replace")
