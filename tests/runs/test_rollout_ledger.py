# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the playbooks of a rollout look for its ledger: by default, in AWX, and in a cluster of the fleet."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.ledger_world import NS, cluster
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import small_plan

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
- ansible.builtin.import_playbook: edgeai.sites.rollout_ledger
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "ledger={{ __rollout_ledger }} kubeconfig={{ __rollout_ledger_kubeconfig }} name={{ __rollout_name }}"
"""


def play(playbook, *arguments, inventory=ROOT / "inventories/demo", **variables):
    """Run a playbook, and return its exit code and what it said, as one line."""
    command = [Path(sys.executable).with_name("ansible-playbook"), *(["-i", str(inventory)] if inventory else []), *arguments,
               "-e", json.dumps(variables), str(playbook)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, env={
        **os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/dev"), "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0"})
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


@pytest.fixture(name="show")
def _show(tmp_path):
    path = tmp_path / "show.yml"
    path.write_text(SHOW)
    for name in ("cloud", "lab-factory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kubeconfig").write_text("{}")
    return lambda **variables: play(path, edge_state_dir=str(tmp_path), release="releases/vision-2.4.yml", **variables)


@pytest.mark.parametrize(("variables", "expected"), [
    ({}, "ledger={0}/rollouts/vision-2.4 kubeconfig= name=vision-2.4"),
    ({"awx_job_id": 7, "rollout_ledger": "/volume/x"}, "ledger=/volume/x kubeconfig= name=vision-2.4"),
    ({"awx_job_id": 7, "rollout_ledger_site": "cloud"}, "ledger=configmap:edgeai/rollout-vision-2.4 kubeconfig={0}/cloud/kubeconfig"),
    ({"rollout_ledger_site": "lab-factory", "inference_namespace": "lines"},
     "ledger=configmap:lines/rollout-vision-2.4 kubeconfig={0}/lab-factory/kubeconfig"),
    ({"rollout_ledger": "configmap:a/b", "rollout_ledger_kubeconfig": "/k"}, "ledger=configmap:a/b kubeconfig=/k"),
], ids=str)
def test_where_it_is(show, tmp_path, variables, expected):
    code, text = show(**variables)
    assert code == 0 and expected.format(tmp_path) in text, text


@pytest.mark.parametrize(("variables", "words"), [
    ({"awx_job_id": 7}, "Found job 7 of AWX and no place for the rollout's ledger; its container is thrown away"),
    ({"awx_job_id": 7, "rollout_ledger": "", "rollout_ledger_site": ""}, "K3s site or the cluster of CloudCore (here: cloud, lab-factory)"),
    ({"rollout_ledger_site": "lab-gate"}, "one of cloud, lab-factory (found: lab-gate)"),
    ({"rollout_ledger_site": "cloud", "rollout_ledger": "/x"}, "(found: cloud), and not both"),
], ids=str)
def test_what_is_refused(show, variables, words):
    code, text = show(**variables)
    assert code != 0 and words in text and "ledger=" not in text, text


def test_a_job_of_awx_without_a_place_plans_nothing():
    code, text = play(ROOT / "playbooks/rollout.yml", awx_job_id=7, release="releases/vision-2.4.yml")
    assert code != 0 and "thrown away" in text and "Plan the release, or" not in text


def test_an_order_finds_its_way_into_a_cluster(tmp_path):
    plan = small_plan(release="r")
    with cluster() as there:
        with there.open(plan) as ledger:
            ledger.append({"type": "start", "at": NOW, "by": "eva"})
        (tmp_path / "cloud").mkdir()
        Path(there.kubeconfig).rename(tmp_path / "cloud/kubeconfig")
        there.kubeconfig = str(tmp_path / "cloud/kubeconfig")
        code, text = play(ROOT / "playbooks/rollout_control.yml", edge_state_dir=str(tmp_path), release="releases/r.yml", rollout_ledger_site="cloud",
                          rollout_order="pause", rollout_by="eva", inference_namespace=NS)
        assert code == 0 and f"paused, wave canary, plan {plan['hash']}" in text, text
        assert there.kinds() == ["takeover", "start", "takeover", "pause"]


def test_an_order_without_a_ledger_says_what_is_missing():
    code, text = play(ROOT / "playbooks/rollout_control.yml", inventory=None, rollout_order="pause", rollout_ledger_site="cloud")
    assert code != 0 and "or rollout_ledger_site and release (found: cloud and nothing)" in text
