# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: forms, pinned CA, masks."""

from __future__ import annotations

import base64
import hashlib

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import token

HASH = "ab" * 32


@pytest.mark.parametrize(("text", "expected"), [
    ("K10%s::server:s3cret" % HASH, token.Token(HASH, "server", "s3cret")),
    ("  K10%s::node:s3cret\n" % HASH, token.Token(HASH, "node", "s3cret")),
    ("K10%s::abc123.0123456789abcdef" % HASH, token.Token(HASH, "", "abc123.0123456789abcdef")),
    ("simple-secret", token.Token("", "", "simple-secret")),
])
def test_parse(text, expected):
    assert token.parse(text) == expected


def test_bootstrap_tokens_are_known():
    assert token.parse("K10%s::abc123.0123456789abcdef" % HASH).bootstrap
    assert not token.parse("K10%s::node:abc123" % HASH).bootstrap


@pytest.mark.parametrize("text", ["", "K10abc", "K10%s:node:x" % HASH, "a b", "a:b", 'a"b'])
def test_parse_refuses_without_showing_the_token(text):
    with pytest.raises(ValueError) as error:
        token.parse(text)
    assert not text or text not in str(error.value)


@pytest.mark.parametrize(("text", "runtime", "first", "expected"), [
    ("K10%s::node:x" % HASH, "k3s_agent", False, None),
    ("shortsecretbutlong", "k3s_agent", False, "full token"),
    ("shortsecretbutlong", "k3s_server", True, None),
    ("K10%s::server:x" % HASH, "k3s_server", True, "cannot start with a full token"),
    ("K10%s::server:x" % HASH, "k3s_server", False, None),
    ("guess-me", "k3s_server", True, "less than 16 characters"),
    ("K10nope", "k3s_agent", False, "copy it whole"),
])
def test_problem_for(text, runtime, first, expected):
    problem = token.problem_for(text, runtime, first)
    assert (problem is None) if expected is None else (expected in problem)


def pem(der):
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_one_certificate_is_pinned_by_its_file():
    file = pem(b"root" * 30)
    assert token.ca_for(file, hashlib.sha256(file).hexdigest()) == file
    assert token.ca_for(file, HASH) is None


def test_of_a_chain_only_the_pinned_certificate_is_trusted():
    right, evil = b"right" * 30, b"evil" * 30
    found = token.ca_for(pem(evil) + pem(right), hashlib.sha256(right).hexdigest())
    assert found == pem(right)


def test_a_chain_is_not_pinned_by_its_file():
    chain = pem(b"a" * 60) + pem(b"b" * 60)
    assert token.ca_for(chain, hashlib.sha256(chain).hexdigest()) is None


@pytest.mark.parametrize("body", [b"", b"404 page not found", b"-----BEGIN CERTIFICATE-----\n"])
def test_no_certificate_no_trust(body):
    assert token.ca_for(body, hashlib.sha256(body).hexdigest()) is None


@pytest.mark.parametrize(("line", "hidden", "kept"), [
    ("token K10%s::server:abcdef x" % HASH, "abcdef", " x"),
    ('msg="K10%s::node:abcdef"' % HASH, "abcdef", 'msg="'),
    ("passwd 0123456789abcdef0123456789abcdef", "0123456789abcdef", "passwd"),
    ("proxy http://user:pw@proxy:3128", "user:pw", "@proxy:3128"),
    ("CA hash does not match: %s != %s" % (HASH, "cd" * 32), "nothing-hidden", HASH),
    ("image@sha256:%s" % HASH, "nothing-hidden", HASH),
])
def test_mask(line, hidden, kept):
    masked = token.mask(line)
    assert hidden not in masked
    assert kept in masked
