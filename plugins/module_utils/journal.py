# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal lines of an engine mean, and the few lines that explain a failed start. Pure."""

from __future__ import annotations

import re
from typing import Callable, NamedTuple


class Cause(NamedTuple):
    """A known cause. ``patience``: after how many lines it will not heal by itself; 0 = it may, keep waiting."""

    name: str
    pattern: str
    patience: int
    meaning: str
    remedy: str


class Finding(NamedTuple):
    """A cause that was seen ``count`` times."""

    cause: Cause
    count: int

    @property
    def decisive(self) -> bool:
        """Whether waiting longer is pointless."""
        return 0 < self.cause.patience <= self.count


class Reader:
    """A table of causes. Order matters: the first cause that matches a line names it, and the first decisive one is reported.

    ``noise``: lines that would hide what matters. ``skip``: beginnings of lines that quote what was entered.
    """

    def __init__(self, causes: tuple[Cause, ...], mask: Callable[[str], str], noise: str, skip: tuple[str, ...] = ()) -> None:
        self.causes = causes
        self.by_name = {cause.name: cause for cause in causes}
        self._patterns = tuple((cause, re.compile(cause.pattern)) for cause in causes)
        self._mask, self._noise, self._skip = mask, re.compile(noise), skip

    def cause_of(self, line: str) -> Cause | None:
        """The known cause that a line shows, if any."""
        for cause, pattern in self._patterns:
            if pattern.search(line):
                return cause
        return None

    def findings(self, lines: list[str]) -> list[Finding]:
        """Known causes in these lines: decisive ones first, then in the order of the table."""
        counts = {}  # type: dict[Cause, int]
        for line in lines:
            cause = None if self._skip and line.startswith(self._skip) else self.cause_of(line)
            if cause:
                counts[cause] = counts.get(cause, 0) + 1
        found = [Finding(cause, counts[cause]) for cause in self.causes if cause in counts]
        return sorted(found, key=lambda finding: not finding.decisive)

    def excerpt(self, lines: list[str], limit: int = 10) -> list[str]:
        """The ``limit`` lines that explain most, oldest first, secrets masked, repeats counted (``... (x12)``).

        When a known cause is among them, mere errors are left out (a healthy start logs dozens), and with errors
        among them mere information.
        """
        latest = {}  # type: dict[str, tuple[int, int]]
        for position, line in enumerate(lines):
            shape = _VARIABLE.sub("#", line)
            latest[shape] = (position, latest.get(shape, (0, 0))[1] + 1)
        weights = {position: self._weight(lines[position]) for position, dummy in latest.values()}
        least = {4: 3, 3: 2, 2: 2}.get(max(weights.values(), default=0), 0)
        chosen = [item for item in latest.values() if weights[item[0]] >= least]
        chosen = sorted(chosen, key=lambda item: (-weights[item[0]], -item[0]))[:limit]
        return ["%s%s" % (self._mask(lines[position].strip())[:400], " (x%d)" % count if count > 1 else "")
                for position, count in sorted(chosen)]

    def _weight(self, line: str) -> int:
        if self.cause_of(line):
            return 4
        if self._noise.search(line):
            return 0
        if _FATAL.search(line):
            return 3
        return 2 if _ERROR.search(line) else 1


_FATAL = re.compile(r"level=(fatal|panic)|^F\d{4} |^Error: |^panic: |Shutdown request received")
_ERROR = re.compile(r"level=error|^E\d{4} |Main process exited|Failed with result|Failed to start")
_VARIABLE = re.compile(r"time=\"[^\"]*\"|^[IWEF]\d{4} [\d:.]+ +\d+|\b\d+\b|0x[0-9a-f]+")
