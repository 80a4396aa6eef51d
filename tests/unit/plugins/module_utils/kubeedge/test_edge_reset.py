# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a removal takes away, and what it leaves to others."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reset
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.reset import Found

VOLUME = "/var/lib/kubelet/pods/1/volumes/a"
WHOLE = Found(
    unit=True, enabled=True, paths=(paths.UNIT_FILE, "/etc/kubeedge", paths.DATA, paths.BINARY), containers={"c1": "default/a", "c2": "x/b"},
    kubelet_files=("pods", "cpu_manager_state"), mounts=("/", VOLUME, VOLUME + "/inner", "/var/lib/kubelet"), links=("lo", "eth0", "cni-edgeai", "cni0"),
    own_conflist=True, networks=("c1",), known_pods=("default/a",))


def steps(found):
    return [(step.kind, step.targets) for step in reset.plan(found).steps]


def test_everything_in_the_order_that_works():
    assert steps(WHOLE) == [
        ("stop", (paths.UNIT,)), ("containers", ("c1", "c2")), ("networks", ("c1",)), ("unmount", (VOLUME + "/inner", VOLUME)),
        ("remove", (paths.KUBELET,)), ("remove", WHOLE.paths),
        ("remove", ("/etc/cni/net.d/10-edgeai.conflist", "/var/lib/cni/networks/edgeai")), ("link", ("cni-edgeai",)), ("reload", ())]
    assert reset.plan(WHOLE).left == []


def test_nothing_where_there_is_nothing():
    assert reset.plan(Found()) == ([], [])
    assert reset.plan(Found(containers={"c1": "default/a"}, kubelet_files=("pods",), mounts=(VOLUME,), links=("cni0",))).steps == []


@pytest.mark.parametrize("foreign", [{"kubelets": ("kubelet.service",)}, {"kubelet_files": ("pods", "config.yaml")}])
def test_another_kubelet_keeps_what_is_its_own(foreign):
    plan = reset.plan(WHOLE._replace(**foreign))
    kinds = [(step.kind, step.targets) for step in plan.steps]
    assert ("containers", ("c1",)) in kinds, "only what EdgeCore's database knows"
    assert not any(kind == "unmount" or paths.KUBELET in targets for kind, targets in kinds)
    assert ("remove", WHOLE.paths) in kinds
    assert len(plan.left) == 2 and "1 containers in k8s.io: another kubelet is here" in plan.left[0] and paths.KUBELET in plan.left[1]
    assert not any(kind == "link" for kind, _targets in kinds), "its pods may use the network"


def test_without_a_database_no_container_is_touched_beside_another_kubelet():
    plan = reset.plan(WHOLE._replace(kubelets=("kubelet.service",), known_pods=None))
    assert "containers" not in [step.kind for step in plan.steps]


def test_an_interrupted_removal_goes_on():
    left = Found(paths=(paths.DATA,), own_conflist=True, kubelet_files=("pods",))
    assert [step.kind for step in reset.plan(left).steps] == ["remove", "remove", "remove"]
