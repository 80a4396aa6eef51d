# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much is generated. The same examples each time, so that a run tells of the change and not of luck.

EDGEAI_PROPERTY_EXAMPLES=5000 pytest tests/property looks longer and elsewhere each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_MORE = os.environ.get("EDGEAI_PROPERTY_EXAMPLES")
_COMMON = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("usual", max_examples=40, derandomize=True, **_COMMON)
settings.register_profile("more", max_examples=int(_MORE or 1), derandomize=False, **_COMMON)
settings.load_profile("more" if _MORE else "usual")
