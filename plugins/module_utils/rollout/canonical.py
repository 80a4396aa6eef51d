# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One spelling for one meaning: the same data gives the same bytes and the same hash, whatever the order of its keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(data: Any) -> str:
    """Return JSON with sorted keys and without spaces; NaN and infinities are refused (ValueError)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(data: Any) -> str:
    """Return ``sha256:`` and the hash of the canonical form."""
    return "sha256:" + hashlib.sha256(canonical(data).encode("ascii")).hexdigest()
