# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens, and the datastore that only its own token opens."""

from __future__ import annotations

import pytest
from k3s_standin import bootstrap, tokens
from k3s_standin.api.store import open_store

HASH = "ab" * 32


@pytest.mark.parametrize("text, expected", [
    ("secret", ("", "", "secret")),
    (f"K10{HASH}::server:secret", (HASH, "server", "secret")),
    (f"K10{HASH}::node:a:b\n", (HASH, "node", "a:b")),
    ("abc123.0123456789abcdef", ("", "", "abc123.0123456789abcdef")),
    (f"K10{HASH}::abc123.0123456789abcdef", (HASH, "", "abc123.0123456789abcdef")),
    ("K10short::server:secret", ("", "", "K10short::server:secret")),
])
def test_parse(text, expected):
    token = tokens.parse(text)
    assert (token.ca_hash, token.user, token.secret) == expected


def test_bootstrap_tokens_are_known_by_their_form():
    assert tokens.parse(tokens.random_bootstrap()).is_bootstrap
    assert not tokens.parse(tokens.full(HASH, tokens.random_secret())).is_bootstrap


def test_bootstrap_data_opens_with_its_token_only(tmp_path):
    store = open_store(tmp_path)
    assert bootstrap.load(store, "right") is None and not bootstrap.exists(store)
    bootstrap.save(store, "right", {"ca.key": "PRIVATE"})
    assert bootstrap.load(store, "right") == {"ca.key": "PRIVATE"}
    for act in (lambda: bootstrap.load(store, "wrong"), lambda: bootstrap.save(store, "wrong", {})):
        with pytest.raises(bootstrap.DifferentToken, match="already found and encrypted with different token"):
            act()
    assert b"PRIVATE" not in (tmp_path / "state.db").read_bytes() + (tmp_path / "state.db-wal").read_bytes()
