# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a model is asked: its health once, then the golden request, of which the first answer only warms it up."""

from __future__ import annotations

import statistics
from typing import Any, Callable, List, NamedTuple, Tuple

# The first inference warms up (caches, just-in-time compilation): it has to be right, not fast.
WARM_UPS = 1
MEASURED = 3
MAX_ANSWER_BYTES = 1024 * 1024


class Answers(NamedTuple):
    """Documents as the model gave them; ``latency_ms``: median of the measured inferences."""

    health: Any
    inferences: Tuple[Any, ...]
    latency_ms: float


def interview(health: Callable[[], Any], infer: Callable[[], Any], clock: Callable[[], float]) -> Answers:
    """Ask in order; what ``health`` and ``infer`` raise goes through. ``clock``: seconds that never jump."""
    document = health()
    answers: List[Any] = []
    times: List[float] = []
    for _turn in range(WARM_UPS + MEASURED):
        begun = clock()
        answers.append(infer())
        times.append(1000 * (clock() - begun))
    return Answers(document, tuple(answers), round(statistics.median(times[WARM_UPS:]), 1))
