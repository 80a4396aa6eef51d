"""Artifacts on real hosts: placed, repaired, resumed, predicted, and sent by a login user who is not root."""
from __future__ import annotations

import hashlib
import json
import os

import pytest
from scenario import Scenario

SCENARIO = Scenario(__file__)
PIECE = 16 * 1024 * 1024
BINARY = "/usr/local/bin/k3s"
IMAGES = "/var/lib/rancher/k3s/agent/images"
STAGING = "/var/lib/edgeai/staging"
INDEX = "/var/lib/edgeai/artifacts.json"
# Changes with every write below these directories.
LISTING = ("find /usr/local /var/lib/edgeai /var/lib/rancher /root /etc -printf '%p %s %T@ %C@\\n' 2>/dev/null "
           "| sort | sha256sum")
SERVER, CAMERA = "artifacts-server", "artifacts-camera"
NODES = {SERVER: [], CAMERA: ["vision-1-amd64.tar"]}


def only_camera(*arguments, **variables):
    """Run the role on the camera node alone; returns what it said, also where it failed."""
    done = SCENARIO.play("converge.yml", "--limit", CAMERA, *arguments, variables=variables)
    return done.one("Put what the node needs from the bundle in place", CAMERA)


@pytest.fixture(name="node", params=NODES)
def _node(request):
    """Each node in turn, as a pair of name and host."""
    return request.param, SCENARIO.host(request.param)


@pytest.fixture(name="camera")
def _camera():
    """The node that runs a model. Every test leaves it converged."""
    return SCENARIO.host(CAMERA)


def artifact(file_name):
    """Return the entry of bundle.json for a file."""
    return next(entry for entry in SCENARIO.artifacts() if entry["file_name"] == file_name)


def make_bare(host):
    host.run_expect([0], f"rm -rf {BINARY} {IMAGES} /var/lib/edgeai")


def test_files_are_those_of_the_bundle(node):
    name, host = node
    expected = {f"{IMAGES}/{file}": artifact(file) for file in ["k3s-airgap-images-amd64.tar.zst"] + NODES[name]}
    expected[BINARY] = artifact("k3s")
    for path, entry in expected.items():
        file = host.file(path)
        assert (file.sha256sum, file.user, file.group) == (entry["sha256"], "root", "root")
    assert host.file(BINARY).mode == 0o755
    assert host.file(os.path.dirname(IMAGES)).mode == 0o700
    assert artifact("k3s")["version"] in host.check_output(f"{BINARY} --version")


def test_a_node_gets_only_the_images_that_it_runs(node):
    name, host = node
    assert sorted(host.check_output(f"ls {IMAGES}").split()) == sorted(["k3s-airgap-images-amd64.tar.zst"] + NODES[name])


def test_nothing_is_left_behind(node):
    host = node[1]
    assert not host.file(STAGING).exists
    assert host.file(INDEX).mode == 0o600
    assert host.check_output("find /usr/local /var/lib/edgeai /var/lib/rancher -name '.edgeai-*' -o -name '*.new'") == ""


def test_tampered_byte_is_repaired_and_a_converged_node_costs_one_call_and_no_byte(camera):
    camera.run_expect([0], f"cp -p {BINARY} /tmp/times && printf X | dd of={BINARY} bs=1 seek=20 conv=notrunc")
    camera.run_expect([0], f"touch -r /tmp/times {BINARY}")
    assert camera.file(BINARY).sha256sum != artifact("k3s")["sha256"]
    result = only_camera()
    assert [(item["path"], item["reason"]) for item in result["placed"]] == [(BINARY, "content")]
    assert camera.file(BINARY).sha256sum == artifact("k3s")["sha256"]
    result = only_camera()
    assert (result["changed"], result["bytes_sent"], result["placed"]) == (False, 0, [])
    assert len(result["present"]) == 3


def test_half_sent_piece_is_resumed(camera):
    vision = artifact("vision-1-amd64.tar")
    assert vision["size"] > PIECE, "the image must have more than one piece for this test"
    path = f"{IMAGES}/vision-1-amd64.tar"
    camera.run_expect(
        [0], f"mkdir -m 700 {STAGING} && cd {STAGING} && dd if={path} of={vision['sha256']}.0 bs=1M count=16"
        f" && dd if={path} of={vision['sha256']}.1 bs=1M skip=16 count=1 && rm {path}"
    )
    result = only_camera()
    assert result["bytes_sent"] == vision["size"] - PIECE
    assert camera.file(path).sha256sum == vision["sha256"]
    assert not camera.file(STAGING).exists


def test_check_mode_on_a_bare_host_writes_nothing(camera):
    make_bare(camera)
    before = camera.check_output(LISTING)
    result = only_camera("--check", "--diff")
    assert camera.check_output(LISTING) == before
    assert result["changed"] and result["bytes_sent"] == 0
    predicted = result["bytes_to_send"]
    real = only_camera()
    assert real["bytes_sent"] == predicted > 0
    assert real["diff"]["after"] == result["diff"]["after"]


def test_former_image_leaves_and_foreign_image_stays(camera):
    camera.run_expect([0], f"echo mine > {IMAGES}/foreign.tar")
    result = only_camera(artifacts_images=["vision:2"])
    assert result["removed"] == [f"{IMAGES}/vision-1-amd64.tar"]
    assert sorted(camera.check_output(f"ls {IMAGES}").split()) == [
        "foreign.tar", "k3s-airgap-images-amd64.tar.zst", "vision-2-amd64.tar"]
    camera.run_expect([0], f"rm {IMAGES}/foreign.tar")
    assert only_camera()["removed"] == [f"{IMAGES}/vision-2-amd64.tar"]


@pytest.mark.parametrize("variables, message", [
    ({"artifacts_arch": "arm64", "artifacts_images": [], "artifacts_k3s_version": ""}, "K3s of one version for arm64"),
    ({"artifacts_images": ["vision:99"]}, "'vision:99' is not in the bundle for amd64. Found: vision:1 (amd64), vision:2 (amd64)"),
    ({"artifacts_bundle_dir": "/nowhere"}, "no bundle at /nowhere"),
    ({"artifacts_data_dir": BINARY}, "should be"),
])
def test_bad_input_is_refused_and_nothing_changes(camera, variables, message):
    before = camera.check_output(LISTING)
    result = only_camera(**variables)
    assert result["failed"]
    assert message in result["msg"]
    assert camera.check_output(LISTING) == before


def test_wrong_architecture_of_the_host_is_refused(camera, tmp_path):
    """The same bundle, declared to be for arm64."""
    document = json.loads((SCENARIO.bundle / "bundle.json").read_text())
    for entry in document["artifacts"]:
        if entry["arch"] != "any":
            entry["arch"] = "arm64"
    (tmp_path / "bundle.json").write_text(json.dumps(document))
    (tmp_path / "blobs").symlink_to(SCENARIO.bundle / "blobs")
    result = only_camera(artifacts_arch="arm64", artifacts_bundle_dir=str(tmp_path))
    assert "Found: machine x86_64 (amd64). Wanted: arm64" in result["msg"]


def test_login_user_without_root_sends_and_root_places(camera):
    word = hashlib.sha256(os.urandom(16)).hexdigest()
    camera.run_expect([0], "id edge || useradd --create-home edge")
    camera.run_expect([0], "install -d -o edge -m 700 /home/edge/.ssh")
    camera.run_expect([0], "install -o edge -m 600 /root/.ssh/authorized_keys /home/edge/.ssh/authorized_keys")
    camera.run_expect([0], f"echo root:{word} | chpasswd")
    make_bare(camera)
    result = only_camera(ansible_user="edge", ansible_become_method="ansible.builtin.su", ansible_become_password=word)
    assert result["changed"] and result["bytes_sent"] > 0, result
    assert camera.file(BINARY).user == "root"
    assert not camera.file(STAGING).exists
    camera.run_expect([0], "passwd --lock root && userdel --force --remove edge")
