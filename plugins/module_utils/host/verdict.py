# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a verdict. Pure."""
from __future__ import annotations

#: Worst first. A verdict of REFUSING keeps a site from going on.
ORDER = ("error", "fail", "inconclusive", "warn", "pass")
REFUSING = frozenset(("error", "fail"))


def make(check, verdict, found, wanted, remedy=""):
    """One verdict: what was looked at, how it came out, and what to do. All values are text for people."""
    return {"check": check, "verdict": verdict, "found": found, "wanted": wanted, "remedy": remedy}


def passed(check, found, wanted):
    return make(check, "pass", found, wanted)


def warned(check, found, wanted, remedy):
    return make(check, "warn", found, wanted, remedy)


def failed(check, found, wanted, remedy):
    return make(check, "fail", found, wanted, remedy)


def inconclusive(check, found, wanted, remedy):
    return make(check, "inconclusive", found, wanted, remedy)
