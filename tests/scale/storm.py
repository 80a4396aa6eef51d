# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A storm over the API of a site: one fault after the other, each until it has struck."""

from __future__ import annotations

import random
import threading

# What is wrong, and the status that it leaves on record.
PHASES = [({"status": 503}, 503), ({"reset": 1.0}, 0), ({"status": 429, "retry_after": 0}, 429), ({"lost": 1.0}, 0), ({"status": 500}, 500)]


class Storm:
    """Use it with ``with``: its phases come in the order of ``seed``, ``turns`` times; between two of them all is well for up to

    ``calm`` seconds.
    """

    def __init__(self, site, record, turns, seed=0, calm=0.3):
        self._site, self._record, self._turns, self._calm = site, record, turns, calm
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._blow, daemon=True)
        self._turn()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._over.set()
        self._thread.join()
        self._site.faults.set()

    def _turn(self):
        self._left = self._random.sample(PHASES, len(PHASES))
        self._site.faults.set(**self._left[0][0])

    def _blow(self):
        for _turn in range(self._turns):
            for fault, status in self._left:
                before = self._struck(status)
                self._site.faults.set(**fault)
                while self._struck(status) == before and not self._over.wait(0.005):
                    pass
                if self._calm:
                    self._site.faults.set()
                    self._over.wait(self._random.uniform(0, self._calm))
            self._turn()
        self._site.faults.set()

    def _struck(self, status):
        return sum(one.status == status for one in self._record.all(self._site.name))
