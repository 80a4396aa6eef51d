"""gpu_fit: what was measured (a surge on a full GPU never ends) as a table, with the edges of each number."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.fit import Fit, deployment_strategy, gpu_fit

FULL = {"workload_gpus": 1, "allocatable": 1, "in_use": 1, "own": 1}
TWO_CARDS = {"workload_gpus": 1, "allocatable": 2, "in_use": 1, "own": 1}
SHARED = {"workload_gpus": 1, "allocatable": 4, "in_use": 1, "own": 1, "shared": True, "workload_memory_mib": 3000,
          "memory_mib": 8192, "memory_in_use_mib": 3000}

# case, arguments, strategy, a word of the reason, a word of the remedy
CASES = [
    ("no GPU asked for", {"workload_gpus": 0, "allocatable": 0}, "surge", "no GPU", ""),
    ("no GPU asked for, replaced by wish", {"workload_gpus": 0, "allocatable": 0, "wanted": "replace"}, "replace", "no GPU", ""),
    ("one GPU, in use by its own old pod", FULL, "replace", "0 GPUs free", "free GPU"),
    ("0/1 on a full node", dict(FULL, wanted="surge"), "refuse", "for ever", "replaced in place"),
    ("0/1 on a full node, in Kubernetes' words", dict(FULL, wanted="surge"), "refuse", "maxUnavailable 0", "auto"),
    ("a second card is free", TWO_CARDS, "surge", "1 GPUs free", ""),
    ("a second card is free, and a surge is asked for", dict(TWO_CARDS, wanted="surge"), "surge", "1 GPUs free", ""),
    ("a second card is free, but not wanted", dict(TWO_CARDS, wanted="replace"), "replace", "asked for", ""),
    ("a second card is held by another", dict(TWO_CARDS, in_use=2), "replace", "0 GPUs free", ""),
    ("two of three GPUs asked for", {"workload_gpus": 2, "allocatable": 3, "in_use": 2, "own": 2}, "replace", "1 GPUs free", ""),
    ("two of four GPUs asked for", {"workload_gpus": 2, "allocatable": 4, "in_use": 2, "own": 2}, "surge", "2 GPUs free", ""),
    ("first start on the only GPU: as it will be on the second run", {"workload_gpus": 1, "allocatable": 1}, "replace",
     "0 GPUs free", ""),
    ("first start on the only GPU, 0/1: no update could ever end", {"workload_gpus": 1, "allocatable": 1, "wanted": "surge"},
     "refuse", "for ever", "replaced"),
    ("first start beside a free GPU", {"workload_gpus": 1, "allocatable": 2}, "surge", "1 GPUs free", ""),
    ("first start on a GPU that another holds", {"workload_gpus": 1, "allocatable": 1, "in_use": 1}, "refuse",
     "other workloads hold 1 of the 1", "gpu_resources_replicas"),
    ("an update that will want two, and another came", {"workload_gpus": 2, "allocatable": 2, "in_use": 2, "own": 1}, "refuse",
     "1 left, 2 needed", "Stop or move"),
    ("a pod that will ask for more than it holds", {"workload_gpus": 2, "allocatable": 3, "in_use": 1, "own": 1}, "replace",
     "1 GPUs free", ""),
    ("device plugin gone", {"workload_gpus": 1, "allocatable": 0}, "refuse", "offers no GPU", "device plugin"),
    ("more than there is", {"workload_gpus": 2, "allocatable": 1}, "refuse", "asks for 2 GPUs", "at most 1"),
    ("a model larger than the GPU", dict(FULL, workload_memory_mib=16000, memory_mib=8192), "refuse", "needs 16000 MiB",
     "smaller"),
    ("a model as large as the GPU", dict(TWO_CARDS, workload_memory_mib=8192, memory_mib=8192), "surge", "1 GPUs free", ""),
    ("a free card of unknown memory", dict(TWO_CARDS, workload_memory_mib=8192), "surge", "1 GPUs free", ""),
    ("a shared GPU with room for two", SHARED, "surge", "3 shares", ""),
    ("a shared GPU, just enough", dict(SHARED, memory_in_use_mib=5192), "surge", "3 shares", ""),
    ("a shared GPU, one MiB short", dict(SHARED, memory_in_use_mib=5193), "replace", "2999 of 8192 MiB", "down while"),
    ("a shared GPU, too full for the surge asked for", dict(SHARED, memory_in_use_mib=6000, wanted="surge"), "refuse",
     "for ever", "replaced"),
    ("a shared GPU, memory of the model unknown", dict(SHARED, workload_memory_mib=0), "replace", "not known", ""),
    ("a shared GPU, its memory unknown", dict(SHARED, memory_mib=0), "replace", "not known", ""),
    ("a shared GPU without a free share", dict(SHARED, in_use=4), "replace", "0 GPUs free", ""),
    ("first start on a shared GPU without memory", dict(SHARED, own=0, memory_in_use_mib=6000), "refuse", "2192 of 8192 MiB",
     "running out of memory"),
    ("first start on a shared GPU with memory for one", dict(SHARED, in_use=0, own=0, memory_in_use_mib=3000), "replace",
     "2192 of 8192 MiB", ""),
    ("first start on a shared GPU of unknown memory", dict(SHARED, own=0, memory_mib=0), "replace", "not known", ""),
    ("nothing known", {"workload_gpus": 1, "allocatable": None}, "replace", "not known", ""),
    ("nothing known, surge asked for", {"workload_gpus": 1, "allocatable": None, "wanted": "surge"}, "refuse", "for ever",
     "gpu_resources"),
]


@pytest.mark.parametrize(("arguments", "strategy", "reason", "remedy"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_fit(arguments, strategy, reason, remedy):
    fit = gpu_fit(node="hall1", **arguments)
    assert (fit.strategy, reason in fit.reason, remedy in fit.remedy) == (strategy, True, True), fit
    assert bool(fit.remedy) or fit.strategy != "refuse", "a refusal without a way out"


@pytest.mark.parametrize(("arguments", "text"), [
    ({"workload_gpus": -1, "allocatable": 1}, "negative"),
    ({"workload_gpus": 1, "allocatable": -1}, "negative"),
    ({"workload_gpus": 1, "allocatable": 1, "own": 1}, "in_use"),
    ({"workload_gpus": 1, "allocatable": 1, "wanted": "0/1"}, "auto, surge, replace"),
])
def test_numbers_that_cannot_be(arguments, text):
    with pytest.raises(ValueError, match=text):
        gpu_fit(**arguments)


def test_a_surge_always_has_the_room_it_needs():
    """Over all small nodes: whatever is asked, a surge beside an old pod is only said where the scheduler can place both."""
    for allocatable in range(5):
        for in_use in range(allocatable + 1):
            for own in range(in_use + 1):
                for gpus in range(1, 4):
                    for wanted in ("auto", "surge", "replace"):
                        fit = gpu_fit(gpus, allocatable, in_use, own, wanted=wanted)
                        if fit.strategy == "surge":
                            assert max(in_use, in_use - own + gpus) + gpus <= allocatable
                        if fit.strategy == "replace":
                            assert in_use - own + gpus <= allocatable


@pytest.mark.parametrize("allocatable", range(1, 5))
@pytest.mark.parametrize("others", range(3))
def test_the_second_run_says_what_the_first_said(allocatable, others):
    first = gpu_fit(1, allocatable, in_use=others, own=0)
    second = gpu_fit(1, allocatable, in_use=others + 1, own=1)
    assert first == second or others >= allocatable


def test_the_kubernetes_field():
    assert deployment_strategy(Fit("surge", "")) == {
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert deployment_strategy(Fit("replace", "")) == {"type": "Recreate"}
    with pytest.raises(ValueError, match="full"):
        deployment_strategy(Fit("refuse", "the node is full"))
