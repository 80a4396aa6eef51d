# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that keep secrets apart: each key goes to exactly one side."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.filter.k3s import FilterModule

FILTERS = FilterModule().filters()
CONFIG = {"agent-token": "s3cret", "datastore-endpoint": "mysql://u:p@h", "debug": True, "disable": ["traefik"]}
ENV = {"HTTPS_PROXY": "http://u:p@proxy", "NO_COLOR": "1"}


@pytest.mark.parametrize(("kind", "values", "secret"), [
    ("config", CONFIG, {"agent-token", "datastore-endpoint"}),
    ("env", ENV, {"HTTPS_PROXY"}),
    ("config", {}, set()),
])
def test_each_key_is_public_or_secret(kind, values, secret):
    hidden, shown = FILTERS[f"k3s_secret_{kind}"](values), FILTERS[f"k3s_public_{kind}"](values)
    assert set(hidden) == secret
    assert {**hidden, **shown} == values
    assert not set(hidden) & set(shown)
