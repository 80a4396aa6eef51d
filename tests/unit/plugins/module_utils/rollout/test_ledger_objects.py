# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger as objects of a cluster: names, what is written, how it is read, and what is damaged."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects as o
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Memory, Site, run
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW, fleet, node, release
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import SITE, WAVES, A, small_plan

PLAN = small_plan()
NS, NAME = "edgeai", "rollout-vision-2.4"
EMPTY = o.Head(ledger.header(PLAN, NOW))


def lines(count, first=1, token=1, size=200):
    """Events that hardly compress, each about ``size`` bytes long."""
    words = random.Random(first)
    return [json.dumps({"seq": number, "token": token, "at": NOW, "type": "x", "reason": "%x" % words.getrandbits(4 * (size - 80))}) + "\n"
            for number in range(first, first + count)]


def by_name(*found):
    return {each["metadata"]["name"]: each for each in found}


PLACES = [
    ("configmap:edgeai/rollout-vision-2.4", ("edgeai", "rollout-vision-2.4")), ("~/.edgeai/demo/rollouts/vision-2.4", None), ("configmap", None),
    ("./configmap:edgeai/x", None), ("configmap:edgeai", RolloutError), ("configmap:Edge/x", RolloutError), ("configmap:a/b/c", RolloutError),
    ("configmap:a/Vision_2", RolloutError), ("configmap:/x", RolloutError), ("configmap:a/x\n", RolloutError), ("configmap:a/" + "x" * 201, RolloutError),
]


@pytest.mark.parametrize(("text", "expected"), PLACES, ids=[case[0][:40] for case in PLACES])
def test_places(text, expected):
    if expected is RolloutError:
        with pytest.raises(RolloutError, match="wanted configmap:<namespace>/<name>"):
            o.place(text)
    else:
        assert o.place(text) == expected


def test_labels_fit():
    assert o.label("rollout-a") == "rollout-a"
    long = [o.label("rollout-" + "a" * 60 + end) for end in ("b", "c")]
    assert len(set(long)) == 2 and all(len(text) == 63 for text in long)
    assert o.label("rollout-" + "a" * 41 + "-." + "b" * 30)[:50].endswith("a-"), "no dot before the dash that divides"


def test_everything_says_whose_it_is():
    head, sealed = o.extended(NS, NAME, EMPTY, lines(3000), 1, "w")
    made = [*sealed, o.head_object(NS, NAME, head), o.plan_object(NS, NAME, PLAN), o.orders_object(NS, NAME, {})]
    assert len({each["metadata"]["name"] for each in made}) == len(made) > 4
    assert all(each["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "edgeai.sites", "edgeai.sites/ledger": NAME} for each in made)
    assert [each.get("immutable", False) for each in made] == [True] * len(sealed) + [False, True, False]


def test_a_plan_goes_and_comes_back():
    assert o.plan_of(o.plan_object(NS, NAME, PLAN)) == PLAN
    packed = base64.b64decode(o.plan_object(NS, NAME, PLAN)["binaryData"][o.PLAN])
    assert json.loads(gzip.decompress(packed)) == PLAN, "other tools read it too"
    assert o.plan_object(NS, NAME, PLAN) == o.plan_object(NS, NAME, json.loads(json.dumps(PLAN)))


def test_a_plan_that_is_too_large_names_the_directory():
    huge = {**PLAN, "noise": "%x" % random.Random(1).getrandbits(8 << 20)}
    with pytest.raises(RolloutError, match=r"found \d+ bytes for the plan of vision-2, compressed; a ConfigMap takes 921600.*directory \(rollout_ledger\)"):
        o.plan_object(NS, NAME, huge)


@given(st.lists(st.lists(st.integers(1, 60000), max_size=12), max_size=8))
def test_a_journal_in_parts_is_the_journal(batches):
    head, there, whole = EMPTY, {}, EMPTY.header
    for number, sizes in enumerate(batches):
        new = ["x" * size + "\n" for size in sizes]
        was = head
        head, sealed = o.extended(NS, NAME, head, new, 1 + number // 3, f"w {number}")
        whole += "".join(new)
        assert head.segments[:len(was.segments)] == was.segments, "what was sealed stays"
        assert not there.keys() & by_name(*sealed).keys()
        there.update(by_name(*sealed))
        head = o.head_of(o.head_object(NS, NAME, head))
        assert sum(map(len, head.tail)) <= o.TAIL_BYTES
        assert o.journal(head, there) == whole.encode("ascii")
    assert all(len(json.dumps(each)) < 1 << 20 for each in [*there.values(), o.head_object(NS, NAME, head)])
    assert not o.leftovers(NAME, head, there)


def test_objects_stay_small_whatever_is_in_them():
    head, sealed = o.extended(NS, NAME, EMPTY, lines(40, size=o.TAIL_BYTES // 4), 1, "w")
    assert max(len(json.dumps(each)) for each in [*sealed, o.head_object(NS, NAME, head)]) < 500 << 10


def test_a_rollout_of_a_thousand_targets():
    site = {**SITE, "nodes": [node(f"n{number:04d}") for number in range(1000)]}
    plan = make_plan(release(targets={"expect": 1000}, waves=WAVES, budgets={"max_unavailable": {"site": 3}}), fleet(sites=[site]))
    small = Memory(PLAN)
    run(PLAN, Site(PLAN), small)
    own = [event for event in small.events if event.get("target") == A]
    head, made, written = o.Head(ledger.header(plan, NOW)), [o.plan_object(NS, NAME, plan)], []
    for number, name in enumerate(plan["targets"]):
        # Each target's own answers differ from the others'.
        new = [{**event, "target": name, "seq": len(own) * number + event["seq"], "token": 1,
                "reason": hashlib.sha256(f"{name}{event['seq']}".encode()).hexdigest()} for event in own]
        head, sealed = o.extended(NS, NAME, head, [json.dumps(event) + "\n" for event in new], 1, "w")
        made += sealed
        if number % 20 == 0:
            written.append(len(json.dumps(o.head_object(NS, NAME, head))))
    sizes = [len(json.dumps(each)) for each in made]
    assert len(own) >= 7 and 8 <= len(made) <= 40, len(made)
    assert max(sizes) < 200 << 10 and sum(sizes) < 2 << 20, (max(sizes), sum(sizes))
    assert sum(written) / len(written) < 64 << 10, "an intent costs little, early and late"


def test_what_a_dead_controller_left_is_told_from_what_counts():
    head, sealed = o.extended(NS, NAME, EMPTY, lines(3000), 7, "w")
    again, other = o.extended(NS, NAME, EMPTY, lines(2900), 8, "w")
    assert sealed[0]["metadata"]["name"] == NAME + "-0001-7" and not by_name(*sealed).keys() & by_name(*other).keys()
    there = by_name(*sealed, *other, o.head_object(NS, NAME, again), o.plan_object(NS, NAME, PLAN), o.orders_object(NS, NAME, {}),
                    o.head_object(NS, NAME + "-0001-7x", EMPTY))
    assert o.leftovers(NAME, again, there) == sealed and o.leftovers(NAME, head, there) == other
    assert o.leftovers(NAME, None, there) == sorted(sealed + other, key=lambda each: each["metadata"]["name"])


def damaged_head(**changes):
    made = o.head_object(NS, NAME, EMPTY)
    about = {**json.loads(made["data"][o.HEAD]), **changes}
    return {**made, "data": {o.HEAD: json.dumps(about)}}


DAMAGE = [
    (lambda: o.head_of({**o.head_object(NS, NAME, EMPTY), "data": None}), "is no head of a ledger"),
    (lambda: o.head_of({**o.head_object(NS, NAME, EMPTY), "data": {o.HEAD: "{"}}), "is no head of a ledger"),
    (lambda: o.head_of({**o.head_object(NS, NAME, EMPTY), "data": {o.HEAD: "[]"}}), "is no head of a ledger"),
    (lambda: o.head_of(damaged_head(version=2)), "edgeai.sites/rollout-objects 2 in ConfigMap .*; this collection reads edgeai.sites/rollout-objects 1"),
    (lambda: o.head_of(damaged_head(format="x")), "found a ledger of x 1"),
    (lambda: o.head_of(damaged_head(segments=[{}])), "is a damaged head"),
    (lambda: o.head_of({**damaged_head(), "binaryData": {}}), "journal.jsonl.gz cannot be read"),
    (lambda: o.head_of({**damaged_head(), "binaryData": {o.TAIL: "H4sIAAAA"}}), "journal.jsonl.gz cannot be read"),
    (lambda: o.plan_of({"metadata": {"name": "p"}, "binaryData": {o.PLAN: "!"}}), "ConfigMap p is damaged"),
    (lambda: o.plan_of({"metadata": {"name": "p"}, "binaryData": {o.PLAN: base64.b64encode(gzip.compress(b"{")).decode()}}), "ConfigMap p holds no plan"),
    (lambda: o.journal(o.extended(NS, NAME, EMPTY, lines(3000), 1, "w")[0], {}), f"found no ConfigMap {NAME}-0001-1"),
]


@pytest.mark.parametrize(("read", "words"), DAMAGE, ids=[case[1][:30] for case in DAMAGE])
def test_damage_is_an_error_that_says_what_to_do(read, words):
    with pytest.raises(RolloutError, match=words + ".*(rollout_adopt=true|the collection that began it)"):
        read()


def test_a_part_that_was_changed_is_found(monkeypatch):
    head, sealed = o.extended(NS, NAME, EMPTY, lines(3000), 1, "w")
    _head, others = o.extended(NS, NAME, EMPTY, lines(3000, size=201), 1, "w")
    with pytest.raises(RolloutError, match="0001-1 was changed"):
        o.journal(head, by_name(*others))
    monkeypatch.setattr(o, "MAX_UNPACKED", 1000)
    with pytest.raises(RolloutError, match="cannot be read"):
        o.journal(head, by_name(*sealed))
