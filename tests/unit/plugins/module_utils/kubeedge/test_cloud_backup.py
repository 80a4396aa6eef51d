"""The backup of a CA: whole or refused."""

from __future__ import annotations

import json

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_backup import (
    BackupError,
    backup_needed,
    pack,
    restore_needed,
    unpack,
)
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeedge.cloud_samples import Cloud

CLOUD, OTHER = Cloud(), Cloud()
CA = CLOUD.secrets["casecret"]
DOCUMENT = json.loads(pack(CA, "cloud"))


def test_what_is_packed_comes_out_again():
    assert unpack(pack(CA, "cloud")) == CA
    assert (DOCUMENT["place"], DOCUMENT["ca_sha256"]) == ("cloud", CLOUD.sha256)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "no certificate"),
        ({"cadata": b"x", "cakeydata": b"y"}, "no certificate"),
        ({"cadata": CLOUD.certificate, "cakeydata": CLOUD.cakey}, "is no CA"),
        ({"cadata": CLOUD.ca, "cakeydata": OTHER.cakey}, "its key is not that of"),
        ({"cadata": CLOUD.ca}, "its key is not that of"),
    ],
)
def test_half_a_ca_is_no_backup(data, words):
    with pytest.raises(BackupError, match=words):
        pack(data, "cloud")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no backup"),
        ("[]", "no backup"),
        (json.dumps(dict(DOCUMENT, kind="x")), "no backup"),
        (json.dumps(dict(DOCUMENT, schema=2)), "another version"),
        (json.dumps(dict(DOCUMENT, cadata="%%")), "not base64"),
        (json.dumps({key: value for key, value in DOCUMENT.items() if key != "cakeydata"}), "damaged|no CA"),
        (json.dumps(dict(DOCUMENT, ca_sha256=OTHER.sha256)), "not the one that it names"),
        (json.dumps(dict(DOCUMENT, **{key: json.loads(pack(OTHER.secrets["casecret"], ""))[key] for key in ("cadata", "cakeydata")})),
         "not the one that it names"),
    ],
)
def test_what_is_damaged_is_not_restored(text, words):
    with pytest.raises(BackupError, match=words):
        unpack(text)


def test_a_backup_of_another_ca_is_not_overwritten():
    assert backup_needed("a", None) is True
    assert backup_needed("a", "a") is False
    with pytest.raises(BackupError, match="move the file away"):
        backup_needed("a", "b")


@pytest.mark.parametrize(("current", "needed"), [(None, True), ("", True), ("b", True), ("a", False)])
def test_restore_only_what_is_not_there(current, needed):
    assert restore_needed(current, "a") is needed
