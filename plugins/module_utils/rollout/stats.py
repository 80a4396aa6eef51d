# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What numbers prove, in closed form and without a library. Samples are plain lists; NaN in them is refused by the callers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import List, Sequence


def unseen_failure_percent(passed: int) -> int:
    """Return the share of bad devices, in whole percent rounded down, that ``passed`` devices without a failure still allow.

    At 95 % confidence: the p with (1 - p)^n = 0.05, so 1 - 0.05^(1/n) (Clopper and Pearson, 1934, for no failures).
    3 devices allow 63 %, 59 devices allow 4 %. Without any device everything is possible.
    """
    return int(100 * (1 - 0.05 ** (1 / passed))) if passed > 0 else 100


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile: the smallest sample that at least ``percent`` % of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def psi(expected: Sequence[float], found: Sequence[float]) -> float:
    """Return the population stability index of two histograms with the same bins; 0 means the same shape.

    PSI = sum (f - e) ln(f / e) over the shares of each bin. Half a count is added to each bin of both, so that an empty bin
    counts as rare and not as infinitely far (Jeffreys prior). Usual reading: below 0.1 none, above 0.25 a clear shift.
    """
    if len(expected) != len(found) or not expected:
        raise ValueError(f"found {len(expected)} and {len(found)} bins; wanted the same bins, one at least")
    first, second = _shares(expected), _shares(found)
    return sum((new - old) * math.log(new / old) for old, new in zip(first, second))


def psi_of_chance(bins: int, first: float, second: float) -> float:
    """Return the index that two samples of one distribution exceed only once in twenty times.

    PSI / (1/n + 1/m) has about the chi-squared distribution with bins - 1 degrees of freedom (Yurdakul, 2018), so its mean is about
    (bins - 1) (1/n + 1/m). The 95 % quantile is that of Wilson and Hilferty.
    """
    free = bins - 1
    if free < 1:
        return 0.0
    part = 2 / (9 * free)
    return free * (1 - part + 1.645 * math.sqrt(part)) ** 3 * (1 / first + 1 / second)


def fraction(value: float) -> Fraction:
    """Return the decimal that was written: 0.985 is 985/1000, not the nearest binary number."""
    return Fraction(str(value))


def _shares(counts: Sequence[float]) -> List[float]:
    total = sum(counts) + len(counts) / 2
    return [(count + 0.5) / total for count in counts]
