# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states of targets, waves and rollouts, and which of them mean what. The table of docs/rollouts.md says it in words."""

from __future__ import annotations

# --- a target: one workload on one node ---
PLANNED = "planned"
PREPULLING = "prepulling"
PREPULLED = "prepulled"
SWITCHING = "switching"
VERIFYING = "verifying"
SOAKING = "soaking"
SUCCEEDED = "succeeded"
FAILED = "failed"
ROLLING_BACK = "rolling_back"
ROLLED_BACK = "rolled_back"
ROLLBACK_FAILED = "rollback_failed"
ALREADY_CURRENT = "already_current"
REJECTED = "rejected"
SKIPPED = "skipped"
DEFERRED = "deferred"
CANCELED = "canceled"

TARGET_STATES = (
    PLANNED, PREPULLING, PREPULLED, SWITCHING, VERIFYING, SOAKING, SUCCEEDED, FAILED, ROLLING_BACK, ROLLED_BACK,
    ROLLBACK_FAILED, ALREADY_CURRENT, REJECTED, SKIPPED, DEFERRED, CANCELED,
)
# Nothing was done to the device yet that a person or a line would notice.
BEFORE_SWITCH = (PLANNED, PREPULLING, PREPULLED)
# Something is being done, or waited for, on the device.
IN_FLIGHT = (SWITCHING, VERIFYING, ROLLING_BACK)
# Whatever the device says of itself: for budgets it serves nobody.
DOWN = (SWITCHING, VERIFYING, FAILED, ROLLING_BACK, ROLLBACK_FAILED)
GOOD = (SUCCEEDED, ALREADY_CURRENT)
BAD = (FAILED, ROLLING_BACK, ROLLED_BACK, ROLLBACK_FAILED, REJECTED)
# Outside every ratio: neither for nor against the release.
OUTSIDE = (SKIPPED, DEFERRED, CANCELED)
TERMINAL = (SUCCEEDED, ROLLED_BACK, ROLLBACK_FAILED, ALREADY_CURRENT, REJECTED, SKIPPED, DEFERRED, CANCELED, FAILED)

# --- a wave ---
WAITING = "waiting"
APPROVAL = "approval"
WAVE_RUNNING = "running"
PASSED = "passed"
WAVE_FAILED = "failed"

# --- a rollout ---
READY = "ready"
RUNNING = "running"
PAUSED = "paused"
ABORTING = "aborting"
ROLLING_BACK_ALL = "rolling_back"
DONE = "done"
DONE_WITH_DEFERRED = "done_with_deferred"
ABORTED = "aborted"
ABORTED_DIRTY = "aborted_dirty"
FINISHED = (DONE, DONE_WITH_DEFERRED, ABORTED, ABORTED_DIRTY)
ROLLOUT_STATES = (READY, RUNNING, PAUSED, ABORTING, ROLLING_BACK_ALL, *FINISHED)
