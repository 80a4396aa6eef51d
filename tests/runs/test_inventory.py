# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin as Ansible runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.fleet.fleets import SMALL

ROOT = Path(__file__).resolve().parents[2]


def ansible(command, *arguments, **environment):
    """Run an Ansible command with its own defaults, as AWX does: no ansible.cfg, plugins found by `auto`."""
    return subprocess.run(
        [Path(sys.executable).with_name(command), *map(str, arguments)],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "dev"),
            "ANSIBLE_NOCOLOR": "1",
            **environment,
        },
        cwd="/",  # no ansible.cfg there
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listed(inventory):
    result = ansible("ansible-inventory", "-i", ROOT / "inventories" / inventory, "--list")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_demo_and_plain_yaml_are_the_same_inventory():
    demo = listed("demo")
    assert sorted(demo["_meta"]["hostvars"]) == ["camera-a", "camera-b", "central", "gate-box", "hall1-server"]
    assert demo == listed("plain")


def test_mistakes_stop_ansible_with_file_and_line(tmp_path):
    path = tmp_path / "broken.fleet.yml"
    path.write_text(SMALL % ", gpus: tegra", encoding="utf-8")
    result = ansible("ansible-inventory", "-i", path, "--list", ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1")
    assert result.returncode != 0
    assert f"{path}:9:75: sites[0].nodes[0].gpus: unknown key 'gpus'. Did you mean 'gpu'?" in result.stderr


def test_templates_and_vaulted_values_pass_through(tmp_path):
    secret = VaultLib([("default", VaultSecret(b"key"))]).encrypt("planted-secret").decode()
    text = SMALL % ""
    text = text.replace("vars:\n", "vars:\n  token: !vault |\n" + "".join(f"    {line}\n" for line in secret.splitlines()))
    (tmp_path / "fleet.yml").write_text(text, encoding="utf-8")
    (tmp_path / "key").write_text("key", encoding="utf-8")
    result = ansible(
        "ansible",
        *("-i", tmp_path / "fleet.yml", "--vault-password-file", tmp_path / "key", "n1"),
        *("-m", "ansible.builtin.debug", "-a", "msg='{{ greeting }} {{ token }}'"),
    )
    assert "north says hello planted-secret" in result.stdout, result.stdout + result.stderr
    listing = ansible("ansible-inventory", "-i", tmp_path / "fleet.yml", "--vault-password-file", tmp_path / "key", "--list")
    assert "planted-secret" not in listing.stdout
    assert "$ANSIBLE_VAULT" in listing.stdout
