# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a ledger: what is concluded from looks at a Lease, and what is written to it."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import lease as r

NOW = 1_790_000_000.25


def lease(holder="a", renew="2026-09-21T15:33:20.000000Z", seconds=30, **spec):
    return {"metadata": {"resourceVersion": "7"}, "spec": {"holderIdentity": holder, "renewTime": renew, "leaseDurationSeconds": seconds, **spec}}


OTHER = lease(renew="2026-09-21T15:33:25.000000Z")
# What is seen, when, and what follows from the last look.
LOOKS = [
    ("there is none", [(0, None)], r.FREE),
    ("it was let go of", [(0, lease(""))], r.FREE), ("it was let go of, otherwise", [(0, lease(None))], r.FREE), ("without a spec", [(0, {})], r.FREE),
    ("not known yet", [(0, lease())], r.WAIT), ("still not known", [(0, lease()), (29.9, lease())], r.WAIT),
    ("it has not changed for too long", [(0, lease()), (30, lease())], r.FREE),
    ("it is renewed", [(0, lease()), (5, OTHER)], r.HELD), ("it was renewed, and is not any more", [(0, lease()), (5, OTHER), (34, OTHER)], r.HELD),
    ("it was renewed, and is not for too long", [(0, lease()), (5, OTHER), (35, OTHER)], r.FREE),
    ("somebody else took it", [(0, lease()), (5, lease("b"))], r.HELD), ("somebody let go of it", [(0, lease()), (5, lease(""))], r.FREE),
    ("the times in it say nothing", [(0, lease(renew="1999-01-01T00:00:00.000000Z"))], r.WAIT),
    ("nor that it is to hold in future", [(0, lease(renew="2999-01-01T00:00:00Z")), (30, lease(renew="2999-01-01T00:00:00Z"))], r.FREE),
    ("another make's duration counts", [(0, lease(seconds=60)), (59, lease(seconds=60))], r.WAIT),
    ("but nobody waits for an hour", [(0, lease(seconds=3600))], r.HELD),
    ("a duration that is none", [(0, lease(seconds="x")), (30, lease(seconds="x"))], r.FREE),
]


@pytest.mark.parametrize(("looks", "verdict"), [case[1:] for case in LOOKS], ids=[case[0] for case in LOOKS])
def test_verdicts(looks, verdict):
    seen = None
    for clock, found in looks:
        seen = r.observe(seen, found, clock)
    assert r.judge(seen, looks[-1][0]) == verdict


def test_what_a_holder_writes():
    first = r.taken(None, "edgeai", "rollout-x", "me", NOW)
    assert first["spec"] == {"holderIdentity": "me", "leaseDurationSeconds": 30, "acquireTime": "2026-09-21T14:13:20.250000Z",
                             "renewTime": "2026-09-21T14:13:20.250000Z", "leaseTransitions": 1}
    assert first["metadata"] == {"namespace": "edgeai", "name": "rollout-x",
                                 "labels": {"app.kubernetes.io/managed-by": "edgeai.sites", "edgeai.sites/ledger": "rollout-x"}}
    later = r.renewed(first, NOW + 5)
    assert later["spec"] == {**first["spec"], "renewTime": "2026-09-21T14:13:25.250000Z"}
    gone = r.released(later, NOW + 6)
    assert r.judge(r.observe(None, gone, 0), 0) == r.FREE and gone["spec"]["leaseDurationSeconds"] == 1
    second = r.taken({**gone, "metadata": {"resourceVersion": "9"}}, "edgeai", "rollout-x", "you", NOW + 7)
    assert second["spec"]["leaseTransitions"] == 2 and second["metadata"]["resourceVersion"] == "9" and second["spec"]["leaseDurationSeconds"] == 30
    assert r.taken(lease(leaseTransitions="x"), "n", "x", "me", NOW)["spec"]["leaseTransitions"] == 1


def test_times_for_people():
    assert r.until(lease()) == "15:33:50 UTC" and r.until({}) == r.until(lease(renew="soon")) == "an unknown time"


def test_a_writer_stops_before_anybody_may_take_over():
    assert r.GIVE_UP_SECONDS + 5 < r.DURATION_SECONDS and r.RENEW_SECONDS * 3 <= r.GIVE_UP_SECONDS
