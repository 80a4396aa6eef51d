# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things in a node's certificate that decide about it. Pure.

Targets have no library for certificates, so the few fields are read from the DER form (X.690, RFC 5280 section 4.1).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import re
from typing import NamedTuple

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_COMMON_NAME = b"\x55\x04\x03"
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_SEQUENCE, _SET, _OID, _VERSION = 0x30, 0x31, 0x06, 0xA0


class Certificate(NamedTuple):
    """Times are seconds since 1970."""

    common_name: str
    not_before: float
    not_after: float


def der(pem: str) -> bytes:
    """The first certificate of a PEM text; ValueError when there is none."""
    found = _PEM.search(pem)
    if not found:
        raise ValueError("there is no certificate in it")
    try:
        return base64.b64decode("".join(found.group(1).split()), validate=True)
    except binascii.Error:
        raise ValueError("its base64 is damaged") from None


def sha256(pem: str) -> str:
    """The hash by which a token pins this CA; "" for what holds no certificate."""
    try:
        return hashlib.sha256(der(pem)).hexdigest()
    except ValueError:
        return ""


def read(pem: str) -> Certificate:
    """Read a certificate; ValueError says what is wrong with it."""
    data = der(pem)
    try:
        (whole,) = _parts(data)
        body = [part for part in _parts(_parts(whole[1])[0][1]) if part[0] != _VERSION]
        # serial, signature, issuer, validity, subject, …
        begins, ends = (_time(*part) for part in _parts(body[3][1])[:2])
        return Certificate(_common_name(body[4][1]), begins, ends)
    except (IndexError, ValueError, UnicodeDecodeError):
        raise ValueError("it is no certificate, or a damaged one") from None


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of the elements in ``data``."""
    parts, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at:at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError
        parts.append((tag, data[at:at + length]))
        at += length
    return parts


def _time(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year, 50 to 99 are of the 20th century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError
    moment = datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


def _common_name(subject: bytes) -> str:
    for tag, group in _parts(subject):
        for inner, pair in _parts(group) if tag == _SET else ():
            fields = _parts(pair) if inner == _SEQUENCE else []
            if len(fields) == 2 and fields[0] == (_OID, _COMMON_NAME):
                return fields[1][1].decode("utf-8")
    return ""
