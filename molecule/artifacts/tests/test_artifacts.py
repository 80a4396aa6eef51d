"""Artifacts on real hosts: placed, repaired, resumed, predicted, and sent by a login user who is not root."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / ".lab/molecule/artifacts-bundle"
PIECE = 16 * 1024 * 1024
BINARY = "/usr/local/bin/k3s"
IMAGES = "/var/lib/rancher/k3s/agent/images"
STAGING = "/var/lib/edgeai/staging"
INDEX = "/var/lib/edgeai/artifacts.json"
CAMERA = "artifacts-camera"


def run(*command, **env):
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", **env},
    )


def play(*arguments):
    """Run the role once; return ``{host: result of the module}``."""
    done = run(
        "ansible-playbook", "-i", SCENARIO / "inventory", SCENARIO / "converge.yml", *arguments,
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
    )
    assert "{" in done.stdout, done.stdout + done.stderr
    tasks = json.loads(done.stdout[done.stdout.index("{"):])["plays"][0]["tasks"]
    results = [task["hosts"] for task in tasks if task["task"]["name"].endswith("from the bundle in place")]
    assert len(results) == 1, done.stdout
    return results[0]


def only_camera(*arguments):
    """Run the role on the camera node alone."""
    return play("--limit", CAMERA, *arguments)[CAMERA]


@pytest.fixture(name="camera")
def _camera(host):
    """The node that runs a model; the tests of this fixture run once, not once per host."""
    if host.check_output("hostname") != CAMERA:
        pytest.skip("concerns the camera node")
    yield host
    only_camera()


def blob(kind, name):
    artifacts = json.loads((BUNDLE / "bundle.json").read_text())["artifacts"]
    return next(a for a in artifacts if (a["kind"], a["name"], a["arch"]) == (kind, name, "amd64"))


def make_bare(host):
    host.run_expect([0], f"rm -rf {BINARY} {IMAGES} /var/lib/edgeai")


def test_files_are_those_of_the_bundle(host):
    for path, artifact in ((BINARY, blob("k3s-binary", "k3s")), (f"{IMAGES}/{blob('k3s-images', 'k3s')['file_name']}", blob("k3s-images", "k3s"))):
        assert host.file(path).sha256sum == artifact["sha256"]
        assert (host.file(path).user, host.file(path).group) == ("root", "root")
    assert host.file(BINARY).mode == 0o755
    assert host.file(os.path.dirname(IMAGES)).mode == 0o700
    assert host.run(f"{BINARY} --version").rc == 0


def test_a_node_gets_only_the_images_that_it_runs(host):
    images = host.check_output(f"ls {IMAGES}").split()
    expected = {"artifacts-server": [], CAMERA: [f"{blob('image', 'vision')['name']}-1-amd64.tar"]}
    assert sorted(images) == sorted(["k3s-airgap-images-amd64.tar.zst"] + expected[host.check_output("hostname")])


def test_nothing_is_left_behind(host):
    assert not host.file(STAGING).exists
    assert host.file(INDEX).mode == 0o600
    assert host.check_output("find / -xdev -name '.edgeai-*' -o -xdev -name '*.new' -path '/var/lib/edgeai/*'") == ""


def test_converged_node_costs_one_call_and_no_byte(camera):
    result = only_camera()
    assert (result["changed"], result["bytes_sent"], result["placed"]) == (False, 0, [])
    assert len(result["present"]) == 3


def test_tampered_byte_is_repaired(camera):
    camera.run_expect([0], f"cp -p {BINARY} /tmp/times && printf X | dd of={BINARY} bs=1 seek=20 conv=notrunc && touch -r /tmp/times {BINARY}")
    assert camera.file(BINARY).sha256sum != blob("k3s-binary", "k3s")["sha256"]
    result = only_camera()
    assert [(item["path"], item["reason"]) for item in result["placed"]] == [(BINARY, "content")]
    assert camera.file(BINARY).sha256sum == blob("k3s-binary", "k3s")["sha256"]
    assert not only_camera()["changed"]


def test_half_sent_piece_is_resumed(camera):
    vision = next(a for a in json.loads((BUNDLE / "bundle.json").read_text())["artifacts"] if a["file_name"] == "vision-1-amd64.tar")
    assert vision["size"] > PIECE, "the image must have more than one piece for this test"
    path = f"{IMAGES}/vision-1-amd64.tar"
    camera.run_expect([0], 
        f"mkdir -m 700 {STAGING} && cd {STAGING} && dd if={path} of={vision['sha256']}.0 bs=1M count=16"
        f" && dd if={path} of={vision['sha256']}.1 bs=1M skip=16 count=1 && rm {path}"
    )
    result = only_camera()
    assert result["bytes_sent"] == vision["size"] - PIECE
    assert camera.file(path).sha256sum == vision["sha256"]
    assert not camera.file(STAGING).exists


def test_check_mode_on_a_bare_host_writes_nothing(camera):
    make_bare(camera)
    listing = "find /usr/local /var/lib/edgeai /var/lib/rancher /root /etc -xdev -printf '%p %s %T@ %C@\\n' 2>/dev/null | sort | sha256sum"
    before = camera.check_output(listing)
    result = only_camera("--check", "--diff")
    assert camera.check_output(listing) == before
    assert result["changed"] and result["bytes_sent"] == 0
    predicted = result["bytes_to_send"]
    real = only_camera()
    assert real["bytes_sent"] == predicted > 0
    assert real["diff"]["after"] == result["diff"]["after"]


def test_former_image_leaves_and_foreign_image_stays(camera):
    camera.run_expect([0], f"echo mine > {IMAGES}/foreign.tar")
    result = only_camera("-e", '{"artifacts_images": ["vision:2"]}')
    assert result["removed"] == [f"{IMAGES}/vision-1-amd64.tar"]
    assert sorted(camera.check_output(f"ls {IMAGES}").split()) == [
        "foreign.tar", "k3s-airgap-images-amd64.tar.zst", "vision-2-amd64.tar"]
    camera.run_expect([0], f"rm {IMAGES}/foreign.tar")


@pytest.mark.parametrize("variables, message", [
    ({"artifacts_arch": "arm64", "artifacts_images": []}, "K3s of one version for arm64"),
    ({"artifacts_images": ["vision:99"]}, "'vision:99' is not in the bundle for amd64. Found: fusion:1 (amd64), vision:1"),
    ({"artifacts_bundle_dir": "/nowhere"}, "no bundle at /nowhere"),
    ({"artifacts_data_dir": BINARY}, "should be"),
])
def test_bad_input_is_refused_and_nothing_changes(camera, variables, message):
    result = only_camera("-e", json.dumps(variables))
    assert result["failed"]
    assert message in result["msg"]
    assert not only_camera()["changed"]


def test_wrong_architecture_of_the_host_is_refused(camera, tmp_path):
    """The same bundle, declared to be for arm64."""
    document = json.loads((BUNDLE / "bundle.json").read_text())
    for artifact in document["artifacts"]:
        artifact["arch"] = "arm64"
    (tmp_path / "bundle.json").write_text(json.dumps(document))
    (tmp_path / "blobs").symlink_to(BUNDLE / "blobs")
    result = only_camera("-e", json.dumps({"artifacts_arch": "arm64", "artifacts_bundle_dir": str(tmp_path)}))
    assert "Found: machine x86_64 (amd64). Wanted: arm64" in result["msg"]


def test_login_user_without_root_sends_and_root_places(camera):
    word = hashlib.sha256(os.urandom(16)).hexdigest()
    camera.run_expect([0], "id operator || useradd --create-home operator")
    camera.run_expect([0], "install -d -o operator -m 700 /home/operator/.ssh")
    camera.run_expect([0], "install -o operator -m 600 /root/.ssh/authorized_keys /home/operator/.ssh/authorized_keys")
    camera.run_expect([0], f"echo root:{word} | chpasswd")
    make_bare(camera)
    result = only_camera("-e", json.dumps(
        {"ansible_user": "operator", "ansible_become_method": "ansible.builtin.su", "ansible_become_password": word}))
    assert result["changed"] and result["bytes_sent"] > 0, result
    assert camera.file(BINARY).user == "root"
    assert not camera.file(STAGING).exists
    camera.run_expect([0], "passwd --lock root && userdel --remove operator")
