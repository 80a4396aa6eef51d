# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup of CloudCore's CA: what is in it, and when it may be written or restored.

Every edge node pins the CA. When it is lost with its cluster, all of them have to be enrolled anew, one by one; with the
backup they reconnect by themselves.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Dict, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_certificates as certificates

KIND = "edgeai.sites/cloudcore-ca"
SCHEMA = 1
KEYS = ("cadata", "cakeydata")


class BackupError(ValueError):
    """What is wrong with a CA or its backup, and what to do. No key is in the text."""


def fingerprint(data: Dict[str, bytes]) -> str:
    """SHA-256 of a CA that is whole: certificate and key, of each other."""
    try:
        certificate = certificates.parse(data.get("cadata", b""))
    except ValueError:
        raise BackupError("it holds no certificate") from None
    if not certificate.is_ca or not certificates.fits(data.get("cakeydata", b""), data["cadata"]):
        raise BackupError("its certificate is no CA, or its key is not that of the certificate")
    return certificate.sha256


def pack(data: Dict[str, bytes], place: str) -> str:
    """The text of a backup, to be encrypted. BackupError for a CA that is not whole."""
    document = {"kind": KIND, "schema": SCHEMA, "place": place, "ca_sha256": fingerprint(data)}
    document.update({key: base64.b64encode(data[key]).decode("ascii") for key in KEYS})
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def unpack(text: str) -> Dict[str, bytes]:
    """The data of casecret in a decrypted backup. BackupError when it is none."""
    try:
        document: Any = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("kind") != KIND or document.get("schema") != SCHEMA:
        raise BackupError("it is no backup of a CA of CloudCore, or one of another version of this collection")
    try:
        data = {key: base64.b64decode(str(document.get(key)), validate=True) for key in KEYS}
    except (binascii.Error, ValueError):
        raise BackupError("it is damaged: its parts are not base64") from None
    if fingerprint(data) != document.get("ca_sha256"):
        raise BackupError("it is damaged: its CA is not the one that it names")
    return data


def backup_needed(current: str, kept: Optional[str]) -> bool:
    """Whether a backup of the CA ``current`` has to be written beside what is ``kept`` (fingerprint, None for no file)."""
    if kept is not None and kept != current:
        raise BackupError("the file holds the CA %s…, and CloudCore has %s…. If the old one is still needed, restore it; else "
                          "move the file away" % (kept[:12], current[:12]))
    return kept is None


def restore_needed(current: Optional[str], kept: str) -> bool:
    """Whether the CA ``kept`` has to be written over ``current`` (None for no CA, empty for a damaged one)."""
    return current != kept
