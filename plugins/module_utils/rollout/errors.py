# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of a rollout; their text is meant for people."""

from __future__ import annotations


class RolloutError(ValueError):
    """A rollout cannot be planned, read or continued; the text says what was found, what was wanted and what to do."""


class Fenced(RolloutError):
    """Another controller has taken this rollout over: nothing may be written, and nothing done, any more."""


class Held(RolloutError):
    """Another process runs the rollout now."""


# What to do about a ledger that cannot be used; each target's workload carries what became of it.
REBUILD = ("Move the ledger away (its directory, or its ConfigMaps) and run the playbook rollout with -e rollout_adopt=true: the targets "
           "carry records of their own")
