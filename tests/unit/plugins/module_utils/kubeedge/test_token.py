"""Tokens: what passes, and in which words the others are refused."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.token import TokenError, parse, verify
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeedge.cloud_samples import DAY, NOW, Cloud

CLOUD = Cloud()
GOOD = CLOUD.token()


def test_a_token_of_this_ca_passes():
    token = verify(GOOD + "\n", CLOUD.ca, NOW, CLOUD.cakey)
    assert (token.ca_sha256, token.expires) == (CLOUD.sha256, NOW + DAY)
    assert GOOD == token.ca_sha256 + "." + token.jwt


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no token"),
        (" \n", "there is no token"),
        (GOOD[:-5], "cut off: its signature"),
        (GOOD[:100], "of 4 parts"),
        (GOOD.rpartition(".")[0], "3 of 4 parts"),
        (GOOD[1:], "copy it whole"),
        (GOOD.partition(".")[2], "3 of 4 parts"),
        (base64.b64encode(GOOD.encode()).decode(), "wrapped in base64"),
        (base64.b64encode(GOOD.encode()).decode() + "\n", "wrapped in base64"),
        ('"%s"' % GOOD, "in quotes"),
        (GOOD.replace(".", ". ", 1), "white space"),
        ("a" * 5000, "5000 characters"),
        (CLOUD.token(claims=b"{"), "not JSON"),
        (CLOUD.token(claims={}), "exp None"),
        (CLOUD.token(claims={"exp": True}), "exp True"),
        (CLOUD.token(claims=[1]), "exp None"),
        (CLOUD.token(header={"alg": "none"}), "alg 'none'"),
    ],
    ids=["none", "blank", "cut", "100 characters", "3 parts", "first missing", "no hash", "base64", "base64 line", "quoted", "space",
         "long", "no JSON", "no exp", "exp true", "a list", "no algorithm"],
)
def test_what_is_no_token_is_told_apart(text, words):
    with pytest.raises(TokenError) as raised:
        parse(text)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (Cloud().token(), "another CA's: it pins"),
        (CLOUD.token(expires=NOW - 7200), "expired 2 h ago"),
        (CLOUD.token(expires=NOW), "expired 0 min ago"),
        (CLOUD.token(expires=NOW + 899), "expires in 15 min, too soon"),
        (CLOUD.token(key=Cloud().cakey), "signed by another key"),
    ],
    ids=["foreign", "expired", "expires now", "expires soon", "other key"],  # keys are made anew in each process
)
def test_what_cloudcore_would_refuse_is_refused_first(text, words):
    with pytest.raises(TokenError) as raised:
        verify(text, CLOUD.ca, NOW, CLOUD.cakey)
    assert words in str(raised.value)
    assert "Restart CloudCore" in str(raised.value)


def test_without_the_key_the_signature_is_not_judged():
    assert verify(CLOUD.token(key=b"other"), CLOUD.ca, NOW).ca_sha256 == CLOUD.sha256


def test_the_margin_is_the_callers():
    assert verify(CLOUD.token(expires=NOW + 10), CLOUD.ca, NOW, margin=5)


@pytest.mark.parametrize("text", [GOOD[:-5], GOOD[:100], '"%s"' % GOOD, Cloud().token(), CLOUD.token(expires=NOW - 1)],
                         ids=["short", "cut", "quoted", "foreign", "expired"])
def test_no_error_shows_the_token(text):
    with pytest.raises(TokenError) as raised:
        verify(text, CLOUD.ca, NOW, CLOUD.cakey)
    assert not [part for part in text.strip('"').split(".")[1:] if len(part) > 8 and part in str(raised.value)]
