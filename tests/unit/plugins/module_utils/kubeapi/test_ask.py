# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a verification asks, how often, and when it is told of the answers."""

from __future__ import annotations

import threading

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.ask import Asker

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c


class Api:
    """Answers health when it may, and counts."""

    def __init__(self):
        self.may, self.asked = threading.Semaphore(0), []

    def get(self, path, read_seconds, limit):
        self.asked.append(path)
        assert self.may.acquire(timeout=10)
        return c.WELL

    def post(self, path, document, read_seconds, limit):
        return c.RIGHT


def test_an_answer_that_was_not_looked_at_yet_is_not_asked_for_again():
    api, woken = Api(), threading.Event()
    asker = Asker(api, "edgeai", 1, woken.set)
    target, pod = c.expected(), c.pod()
    assert asker.answers() == {}
    asker.ask(target, pod, 0.0)
    api.may.release()
    assert woken.wait(10)
    asker.ask(target, pod, 0.5)
    assert len(api.asked) == 1, "its answer is there already"
    assert asker.answers()[target.name].answer == c.RIGHT
    woken.clear()
    asker.ask(target, pod, 1.0)
    api.may.release()
    assert woken.wait(10) and len(api.asked) == 2, "known and wanted anew"


def test_it_tells_of_answers_when_nobody_is_asked_any_more():
    api, woken = Api(), threading.Event()
    asker = Asker(api, "edgeai", 1, woken.set)
    for name in ("a", "b"):
        asker.ask(c.expected(name=name), c.pod(name=name), 0.0)
    api.may.release()
    while len(asker.answers()) < 1:
        assert not woken.wait(0.01), "one of two has answered"
    api.may.release()
    assert woken.wait(10) and len(asker.answers()) == 2
