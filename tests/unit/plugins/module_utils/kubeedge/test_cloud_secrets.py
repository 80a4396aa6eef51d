"""CloudCore's secrets: what is kept, renewed, made, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_certificates as certificates
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_secrets import plan, read, stream_names
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeedge.cloud_samples import DAY, NOW, Cloud

CLOUD, OTHER = Cloud(), Cloud()
NAMES = ["192.0.2.41", "cloud1"]
STREAM = {name: text.encode() for name, text in certificates.stream_files(stream_names(NAMES), NOW).items()}
WHOLE = dict(CLOUD.secrets, **{"cloudcore-stream": STREAM})


def without(*names, **more):
    return {name: data for name, data in {**WHOLE, **more}.items() if name not in names}


def planned(secrets, names=None, now=NOW, mark="m", **more):
    names = names or NAMES
    return plan(read(secrets, mark), names, stream_names(names), now, **more)


def test_all_as_wanted_is_kept():
    found = planned(WHOLE)
    assert (found.first_start, found.renew_certificate, found.make_stream) == (False, False, False)
    assert (found.mark, found.reasons, found.refusals) == ("m", [], [])


def test_an_empty_cluster_is_a_first_start():
    found = planned({})
    assert (found.first_start, found.renew_certificate, found.make_stream, found.refusals) == (True, False, True, [])


@pytest.mark.parametrize("names", [["192.0.2.41", "CLOUD1"], ["cloud1", "192.0.2.41"]])
def test_order_and_case_of_names_do_not_matter(names):
    assert not plan(read(WHOLE), names, [], NOW).renew_certificate


def test_addresses_are_compared_as_addresses():
    cloud = Cloud(names=("2001:db8::1",))
    assert not plan(read(cloud.secrets), ["2001:0db8:0:0:0:0:0:1"], [], NOW, stream=False).renew_certificate


@pytest.mark.parametrize(
    ("secrets", "names", "words"),
    [
        (WHOLE, NAMES + ["edge.example"], "missing edge.example"),
        (WHOLE, ["192.0.2.41"], "no longer wanted cloud1"),
        (WHOLE, ["192.0.2.42"], "missing 192.0.2.42; no longer wanted 192.0.2.41, cloud1"),
        (without("cloudcoresecret"), NAMES, "missing or unreadable; its CA is kept"),
        (without(cloudcoresecret={"cloudcoredata": b"junk"}), NAMES, "missing or unreadable"),
        (without(casecret=OTHER.secrets["casecret"]), NAMES, "not signed by its CA"),
    ],
)
def test_only_the_certificate_is_renewed_and_the_pods_are_told(secrets, names, words):
    found = plan(read(secrets, "m"), names, [], NOW, stream=False)
    assert found.renew_certificate and found.refusals == [] and not found.first_start
    assert words in found.reasons[0]
    assert found.mark not in ("", "m")


def test_the_mark_is_the_same_for_the_same_certificate_and_another_after_it():
    first = planned(WHOLE, names=["192.0.2.42"], stream=False).mark
    assert first == planned(WHOLE, names=["192.0.2.43"], stream=False).mark
    assert first != planned(OTHER.secrets, names=["192.0.2.42"], stream=False).mark
    # It was deleted, and the run ended before the pods were told: they are told again, with another mark.
    assert planned(without("cloudcoresecret"), mark=first, stream=False).mark not in (first, "")


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (without("casecret"), "would make a new CA, and no edge node trusts it"),
        (without(casecret={"cadata": CLOUD.certificate, "cakeydata": CLOUD.cakey}), "holds no CA certificate"),
        (without(casecret={"cadata": b"junk"}), "holds no CA certificate"),
        (without(casecret={"cadata": CLOUD.ca, "cakeydata": OTHER.cakey}), "its key is not that of its certificate"),
        (without(casecret={"cadata": CLOUD.ca}), "its key is not that of its certificate"),
    ],
)
def test_a_ca_that_is_lost_or_damaged_is_never_replaced(secrets, words):
    found = planned(secrets)
    assert len(found.refusals) == 1 and words in found.refusals[0]


def test_edge_nodes_that_joined_keep_a_new_ca_from_being_made():
    (words,) = planned({}, edge_nodes=["e1", "e2"]).refusals
    assert "the Node e1 (and 1 more)" in words and "cloudcore_ca_restore" in words
    assert planned(WHOLE, edge_nodes=["e1"]).refusals == []


@pytest.mark.parametrize(
    ("secrets", "days", "words"),
    [
        (WHOLE, 334, None),
        (WHOLE, 336, "expires in 29 days"),
        (WHOLE, 400, "has expired"),
        (without("cloudcore-stream"), 0, "has no certificate"),
        (without(**{"cloudcore-stream": {"stream.crt": b"junk"}}), 0, "has no certificate"),
    ],
)
def test_the_stream_certificate_is_made_in_time(secrets, days, words):
    found = planned(secrets, now=NOW + days * DAY)
    assert found.make_stream is (words is not None)
    assert not words or words in found.reasons[0]
    assert not planned(secrets, now=NOW + days * DAY, stream=False).make_stream


def test_the_stream_certificate_follows_the_names():
    found = planned(WHOLE, names=NAMES + ["edge.example"])
    assert found.make_stream and "lacks edge.example" in found.reasons[1]


def test_the_stream_certificate_is_one():
    parsed = certificates.parse_pem(STREAM["stream.crt"])
    assert set(NAMES) | {"cloudcore.kubeedge.svc"} <= set(parsed.names)
    assert not parsed.is_ca and certificates.parse_pem(STREAM["streamCA.crt"]).is_ca
    assert round(parsed.expires - NOW) == 365 * DAY
    der = [certificates.x509.load_pem_x509_certificate(STREAM[name]).public_bytes(certificates.serialization.Encoding.DER)
           for name in ("stream.crt", "streamCA.crt")]
    assert certificates.signed_by(*der)
    assert not certificates.signed_by(der[0], CLOUD.ca)
