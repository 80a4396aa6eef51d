# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building a bundle from a directory and from an https mirror that misbehaves."""

from __future__ import annotations

import hashlib
import json
import os
import struct

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import download
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import read_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.build import Builder
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.lock import parse_lock
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.plan import wanted
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.store import Store, sha256_file

VERSION = "v1.36.5+k3s1"
K3S = {"name": "k3s", "kind": "k3s", "version": VERSION}
VISION = {"name": "vision", "kind": "image", "version": "1", "file": "images/vision-1-{arch}.tar"}
K3S_PATH = "/k3s/v1.36.5%2Bk3s1/k3s"


class Bench:
    """Build into one directory with one source."""

    def __init__(self, dest, source, ca_file=None):
        self.dest, self.source, self.ca_file = str(dest), str(source), ca_file
        self.slept = []
        self.now = 0

    def build(self, *entries, architectures=("amd64",), check_mode=False, deadline=60, timeout=5):
        lock = parse_lock({"schema": 1, "artifacts": list(entries or (K3S, VISION))})
        opener = download.build_opener(self.ca_file)
        downloader = download.Downloader(opener, timeout, deadline, clock=lambda: self.now, sleep=self.slept.append)
        return Builder(Store(self.dest), downloader, check_mode).run(wanted(lock, architectures, self.source))

    def files(self):
        return sorted(os.path.relpath(os.path.join(root, name), self.dest)
                      for root, unused, names in os.walk(self.dest) for name in names)


@pytest.fixture
def local(tmp_path, mirror):
    """Return a Bench on the mirror as a directory."""
    return Bench(tmp_path / "bundle", mirror.root)


@pytest.fixture
def remote(tmp_path, served, authority):
    """Return a Bench on the mirror over https."""
    return Bench(tmp_path / "bundle", served.url, str(authority[0]))


def test_first_and_second_run(local, mirror):
    result = local.build()
    assert result["changed"]
    assert [(row["kind"], row["arch"], row["action"]) for row in result["artifacts"]] == [
        ("image", "amd64", "fetched"), ("k3s-binary", "amd64", "fetched"), ("k3s-images", "amd64", "fetched")]
    assert result["bytes_fetched"] == sum(a.size for a in read_manifest(local.dest).artifacts)
    stamps = {name: os.stat(os.path.join(local.dest, name)).st_mtime_ns for name in local.files() if name != ".lock"}
    again = local.build()
    assert (again["changed"], again["bytes_fetched"], again["removed"]) == (False, 0, [])
    assert again["diff"]["before"] == again["diff"]["after"] != ""
    assert {name: os.stat(os.path.join(local.dest, name)).st_mtime_ns for name in stamps} == stamps


def test_layout_is_complete(local):
    local.build()
    with open(os.path.join(local.dest, "index.json")) as stream:
        index = json.load(stream)
    assert len(index["manifests"]) == 3
    for descriptor in index["manifests"]:
        path = os.path.join(local.dest, "blobs", *descriptor["digest"].split(":"))
        with open(path) as stream:
            manifest = json.load(stream)
        for part in [manifest["config"]] + manifest["layers"]:
            blob = os.path.join(local.dest, "blobs", *part["digest"].split(":"))
            assert sha256_file(blob) == part["digest"].split(":")[1]
            assert os.path.getsize(blob) == part["size"]
    image = read_manifest(local.dest).find(("image", "vision", "1", "amd64")).image
    assert image.reference == "lab.example/vision:1"
    assert local.files().count("bundle.json") == 1
    assert not os.path.exists(os.path.join(local.dest, ".incoming"))


def test_check_mode_writes_nothing_and_tells_the_same(local):
    predicted = local.build(check_mode=True)
    assert not os.path.exists(local.dest)
    real = local.build()
    assert (predicted["changed"], predicted["diff"]) == (True, real["diff"])
    assert local.build(check_mode=True)["changed"] is False


def test_armhf_trap(local):
    result = local.build(K3S, architectures=["arm"])
    assert [row["file_name"] for row in result["artifacts"]] == ["k3s-armhf", "k3s-airgap-images-arm.tar.zst"]


def test_other_architectures_leave_again(local, mirror):
    local.build(K3S, architectures=["amd64", "arm"])
    before = len(local.files())
    result = local.build(K3S, architectures=["amd64"])
    assert result["changed"]
    # two artifacts and their two OCI manifests
    assert len(result["removed"]) == 4
    assert len(local.files()) == before - 4
    assert {a.arch for a in read_manifest(local.dest).artifacts} == {"amd64"}


def test_damaged_blob_is_repaired(local):
    local.build()
    binary = read_manifest(local.dest).find(("k3s-binary", "k3s", VERSION, "amd64"))
    path = os.path.join(local.dest, "blobs", "sha256", binary.sha256)
    with open(path, "r+b") as stream:
        stream.seek(100)
        stream.write(b"X")
    assert local.build(check_mode=True)["changed"]
    result = local.build()
    assert [row["action"] for row in result["artifacts"]] == ["kept", "fetched", "kept"]
    assert sha256_file(path) == binary.sha256


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_damaged_layout_is_repaired(local, name):
    local.build()
    path = os.path.join(local.dest, name)
    with open(path, "a") as stream:
        stream.write(" ")
    assert local.build(check_mode=True)["changed"]
    assert local.build()["changed"]
    assert not local.build()["changed"]


def test_foreign_directory_is_refused(local):
    os.makedirs(os.path.join(local.dest, "blobs", "sha256"))
    with open(os.path.join(local.dest, "precious"), "w") as stream:
        stream.write("mine")
    for check_mode in (True, False):
        with pytest.raises(BundleError, match="is not a bundle"):
            local.build(check_mode=check_mode)


def test_two_builders(local, mirror):
    local.build()
    store = Store(local.dest)
    store.open()
    with pytest.raises(BundleError, match="somebody else builds"):
        local.build()


def test_changed_content_under_the_same_version(local, mirror):
    local.build(VISION)
    (mirror.root / "images/vision-1-amd64.tar").unlink()
    assert not local.build(VISION)["changed"]
    mirror.image("other", "1", "amd64")
    with pytest.raises(BundleError, match="without a line"):
        local.build(VISION)


def test_wrong_pin(local):
    with pytest.raises(BundleError, match="two checksums for k3s. Found: .*sha256sum-amd64.txt. Wanted: a{64} in the lock file"):
        local.build(dict(K3S, sha256={"k3s": "a" * 64}))
    assert not os.path.exists(os.path.join(local.dest, "index.json"))


def test_tampered_byte(local, mirror):
    path = mirror.root / "k3s" / VERSION / "k3s"
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError) as caught:
        local.build()
    text = str(caught.value)
    for part in ("k3s does not have its checksum", sha256_file(str(path)), str(path), "sha256sum-amd64.txt", "Remedy"):
        assert part in text
    assert not [name for name in local.files() if name.endswith(".part")]
    assert read_manifest(local.dest).artifacts == ()


def test_missing_sum_line_and_missing_file(local, mirror):
    mirror.write_sums("k3s/%s/sha256sum-amd64.txt" % VERSION, {"k3s": mirror.files["k3s"]})
    with pytest.raises(BundleError, match="no checksum for k3s-airgap-images-amd64.tar.zst"):
        local.build(K3S)
    with pytest.raises(BundleError, match="no file .*sha256sum-arm64.txt"):
        local.build(K3S, architectures=["arm64"])
    (mirror.root / "images/vision-1-amd64.tar").unlink()
    with pytest.raises(BundleError, match="vision-1-amd64.tar is not at the source"):
        local.build(VISION)


def test_binary_of_another_architecture(local, mirror):
    arm64 = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HH", 2, 183) + bytes(100)
    mirror.write("k3s/%s/k3s" % VERSION, arm64)
    mirror.write_sums("k3s/%s/sha256sum-amd64.txt" % VERSION, {"k3s": arm64, "k3s-airgap-images-amd64.tar.zst": b""})
    with pytest.raises(BundleError, match="another architecture. Found: arm64. Wanted: amd64"):
        local.build(K3S)


def test_image_of_another_architecture(local, mirror, archive):
    data = archive("arm64").bytes()
    mirror.write("images/vision-1-amd64.tar", data)
    mirror.write_sums("images/sha256sum-amd64.txt", {"vision-1-amd64.tar": data})
    with pytest.raises(BundleError, match="image for another architecture"):
        local.build(VISION)


TOOLKIT = {"name": "toolkit", "kind": "package", "version": "1.20.0-1~rc1", "file": "nvidia/{name}_{version}_{arch}.deb"}
DEB = b"!<arch>\ndebian-binary   package"


def test_package(local, mirror):
    name = "toolkit_1.20.0-1~rc1_amd64.deb"
    mirror.write("nvidia/" + name, DEB)
    mirror.write_sums("nvidia/sha256sum-amd64.txt", {name: DEB})
    first = local.build(TOOLKIT)
    assert [(row["kind"], row["file_name"], row["action"]) for row in first["artifacts"]] == [("deb", name, "fetched")]
    assert not local.build(TOOLKIT)["changed"]


def test_package_that_is_none(local, mirror):
    mirror.write("nvidia/toolkit_1.20.0-1~rc1_amd64.deb", b"<html>not found</html>")
    with pytest.raises(BundleError, match="is no .deb package"):
        local.build(dict(TOOLKIT, sha256={"toolkit_1.20.0-1~rc1_amd64.deb": hashlib.sha256(b"<html>not found</html>").hexdigest()}))


def test_pinned_image_needs_no_sums_and_no_network_later(remote, served, mirror):
    (mirror.root / "images/sha256sum-amd64.txt").unlink()
    pin = sha256_file(str(mirror.root / "images/vision-1-amd64.tar"))
    entry = dict(VISION, sha256={"vision-1-amd64.tar": pin})
    assert remote.build(entry)["changed"]
    del served.requests[:]
    assert not remote.build(entry)["changed"]
    assert served.requests == []


def test_over_https(remote, served, mirror):
    result = remote.build()
    assert result["changed"]
    assert (K3S_PATH, 0) in served.requests
    assert read_manifest(remote.dest).find(("k3s-binary", "k3s", VERSION, "amd64")).source == served.url + K3S_PATH


def test_unknown_authority(tmp_path, served):
    bench = Bench(tmp_path / "bundle", served.url)
    with pytest.raises(BundleError, match="not trusted.*ca_file"):
        bench.build()
    assert bench.slept == []


def test_certificate_for_another_host(tmp_path, served, authority):
    bench = Bench(tmp_path / "bundle", served.url.replace("127.0.0.1", "localhost"), str(authority[0]))
    with pytest.raises(BundleError, match="not trusted"):
        bench.build()


def test_unusable_ca_file(tmp_path):
    with pytest.raises(BundleError, match="ca_file"):
        download.build_opener(str(tmp_path / "none"))
    (tmp_path / "empty").write_text("no PEM")
    with pytest.raises(BundleError, match="ca_file"):
        download.build_opener(str(tmp_path / "empty"))


def cut_once(path, keep):
    """Return an answer hook that breaks the line after ``keep`` bytes, the first time."""
    done = []

    def answer(handler):
        if handler.path != path or done:
            return False
        done.append(path)
        with open(handler.translate_path(path), "rb") as stream:
            handler.reply(stream.read(), cut=keep)
        return True
    return answer


def test_broken_line_is_continued(remote, served, mirror):
    served.answer = cut_once(K3S_PATH, 1000)
    result = remote.build(K3S)
    assert [start for path, start in served.requests if path == K3S_PATH] == [0, 1000]
    assert result["bytes_fetched"] == sum(len(mirror.files[name]) for name in ("k3s", "k3s-airgap-images-amd64.tar.zst"))
    assert remote.slept == [1]


def test_server_without_ranges_starts_over(remote, served, mirror):
    served.answer, served.ranges = cut_once(K3S_PATH, 1000), False
    remote.build(K3S)
    assert [start for path, start in served.requests if path == K3S_PATH] == [0, 1000]
    assert read_manifest(remote.dest).find(("k3s-binary", "k3s", VERSION, "amd64")).size == len(mirror.files["k3s"])


def part_file(remote, mirror, data):
    folder = os.path.join(remote.dest, ".incoming")
    remote.build(VISION)
    os.makedirs(folder)
    name = sha256_file(str(mirror.root / "k3s" / VERSION / "k3s")) + ".part"
    with open(os.path.join(folder, name), "wb") as stream:
        stream.write(data)


@pytest.mark.parametrize("keep, starts", [(1000, [1000]), (None, [])])
def test_next_run_continues(remote, served, mirror, keep, starts):
    part_file(remote, mirror, mirror.files["k3s"][:keep])
    remote.build(K3S)
    assert [start for path, start in served.requests if path == K3S_PATH] == starts


@pytest.mark.parametrize("data", [b"something else", b"x" * 10_000_000])
def test_rotten_part_is_fetched_again(remote, served, mirror, data):
    part_file(remote, mirror, data)
    remote.build(K3S)
    assert [start for path, start in served.requests if path == K3S_PATH][-1] == 0
    assert remote.build(K3S)["changed"] is False


def test_failing_server_has_an_end(remote, served):
    served.answer = lambda handler: handler.send_error(503) or True
    with pytest.raises(BundleError, match="4 attempts: HTTP status 503"):
        remote.build()
    assert remote.slept == [1, 2, 4]


def test_unexpected_status_is_not_tried_again(remote, served):
    served.answer = lambda handler: handler.send_error(403) or True
    with pytest.raises(BundleError, match="HTTP status 403"):
        remote.build()
    assert len(served.requests) == 1


def test_dead_server(tmp_path, served, authority):
    served.close()
    bench = Bench(tmp_path / "bundle", served.url, str(authority[0]))
    with pytest.raises(BundleError, match="4 attempts: .*refused"):
        bench.build()


def test_silent_server_times_out(remote, served):
    import threading
    release = threading.Event()
    served.answer = lambda handler: release.wait(10)
    try:
        with pytest.raises(BundleError, match="timed out"):
            remote.build(timeout=0.1)
    finally:
        release.set()


def test_deadline(remote, served):
    def answer(handler):
        remote.now += 100
        return False
    served.answer = answer
    with pytest.raises(BundleError, match="deadline has passed"):
        remote.build()


def test_redirect_is_followed_within_https(remote, served):
    def answer(handler):
        if handler.path.startswith("/k3s/"):
            handler.redirect(served.url + "/moved" + handler.path)
            return True
        handler.path = handler.path.replace("/moved", "")
        return False
    served.answer = answer
    assert remote.build(K3S)["changed"]


@pytest.mark.parametrize("target, message", [
    ("http://127.0.0.1:9/k3s", "redirect refused"), ("file:///etc/passwd", "HTTP status 302"),
    ("ftp://127.0.0.1/k3s", "redirect refused"),
])
def test_redirect_out_of_https_is_refused(remote, served, target, message):
    served.answer = lambda handler: handler.redirect(target) or True
    with pytest.raises(BundleError, match=message):
        remote.build()


def test_redirect_loop_ends(remote, served):
    served.answer = lambda handler: handler.redirect(handler.path) or True
    with pytest.raises(BundleError, match="HTTP status 302"):
        remote.build()
    assert len(served.requests) < 20


def test_too_large(remote, served, mirror, monkeypatch):
    monkeypatch.setitem(download.__dict__, "CHUNK", 100)
    from ansible_collections.edgeai.sites.plugins.module_utils.bundle import build
    monkeypatch.setitem(build.MAX_SIZE, "k3s-binary", 1000)
    with pytest.raises(BundleError, match="too large. Wanted: at most 1000 bytes"):
        remote.build(K3S)
    monkeypatch.setitem(build.__dict__, "MAX_BYTES", 10)
    with pytest.raises(BundleError, match="sha256sum-amd64.txt is too large"):
        remote.build(K3S)
