# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running engine was started with, compared with what is on disk: the only reasons for a restart. Pure.

The unit notes stat and hashes before each start, also at boot and when systemd restarts it. So a run that was
interrupted between writing a file and restarting is noticed by the next one, which "changed" flags cannot do.
"""

from __future__ import annotations

import fnmatch
from typing import Callable, NamedTuple

UNKNOWN = "started before it was managed"


class Watched(NamedTuple):
    """``record``: where the unit notes it. ``reasons``: reason -> glob patterns of the files that are read at the start only."""

    record: str
    binary: str
    reasons: dict[str, list[str]]

    def command(self) -> str:
        """Shell text that writes the record; it may fail without harm and holds no secrets (0600 all the same)."""
        files = " ".join(pattern for patterns in self.reasons.values() for pattern in patterns)
        return ("umask 077; mkdir -p {dir}; {{ stat -Lc 'stat %s %Y %i' {binary}; sha256sum {binary} {files}; }}"
                " >{record}.new 2>/dev/null; mv -f {record}.new {record}").format(
                    dir=self.record.rsplit("/", 1)[0], binary=self.binary, files=files, record=self.record)


class Record(NamedTuple):
    """``binary_stat`` is (size, mtime in seconds, inode); ``hashes`` maps paths to sha256."""

    binary_stat: tuple[int, int, int] | None
    hashes: dict[str, str]


def parse(text: str, ignored: Callable[[str], bool] = lambda path: False) -> Record:
    """Read the record; lines that make no sense, and files that are ``ignored``, are skipped."""
    stat, hashes = None, {}
    for line in text.splitlines():
        words = line.split(None, 1)
        if line.startswith("stat "):
            numbers = [int(word) for word in line.split()[1:] if word.isdigit()]
            stat = (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None
        elif len(words) == 2 and len(words[0]) == 64 and not ignored(words[1]):
            hashes[words[1]] = words[0]
    return Record(stat, hashes)


def restart_reasons(record: Record | None, disk: Record, watched: Watched) -> list[str]:
    """Why a running engine must be restarted, e.g. ``["binary", "config"]``; ``[]`` when it runs what is on disk.

    ``record`` is None when nothing was noted. In ``disk`` the binary's hash may be left out when its stat is
    equal: hashing 80 MB on every run would be the most expensive part of it.
    """
    if record is None:
        return [UNKNOWN]
    reasons = []
    if record.binary_stat != disk.binary_stat and (
            record.hashes.get(watched.binary) != disk.hashes.get(watched.binary, "")):
        reasons.append("binary")
    for reason, patterns in watched.reasons.items():
        if _matching(record.hashes, patterns) != _matching(disk.hashes, patterns):
            reasons.append(reason)
    return reasons


def _matching(hashes: dict[str, str], patterns: list[str]) -> dict[str, str]:
    return {path: value for path, value in hashes.items()
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)}
