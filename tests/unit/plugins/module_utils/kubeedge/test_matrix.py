"""Versions: what goes together, what is unsafe, what an operator may answer for."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.matrix import MATRIX, SAFE, node_version, parse, problems


@pytest.mark.parametrize(
    ("text", "version"),
    [("v1.23.1", (1, 23, 1)), ("1.36.3+k3s1", (1, 36, 3)), ("v1.32.10-kubeedge-v1.23.1", (1, 32, 10)), ("1.23", None), ("", None)],
)
def test_versions(text, version):
    assert parse(text) == version


@pytest.mark.parametrize(
    ("kubeedge", "kubernetes"),
    [
        ("v1.23.1", "v1.30.0"),
        ("v1.23.1", "v1.32.99+k3s1"),
        ("v1.23.1", "v1.27.1"),
        ("v1.23.9", "v1.31.0"),
        ("v1.22.2", "v1.31.0"),
        ("v1.21.2", "v1.30.4"),
        ("1.21.3", ""),
        ("v1.24.0", ""),
    ],
)
def test_pairs_that_pass(kubeedge, kubernetes):
    assert problems(kubeedge, kubernetes) == []


@pytest.mark.parametrize(
    ("kubeedge", "kubernetes", "words", "overridable"),
    [
        ("v1.23.0", "v1.31.0", "security fixes of July 2026", False),
        ("v1.22.1", "v1.31.0", "use one of v1.21.2, v1.22.2, v1.23.1", False),
        ("v1.21.1", "v1.30.0", "security fixes", False),
        ("v1.20.9", "v1.29.0", "security fixes", False),
        ("v1.23.1", "v1.33.0", "outside KubeEdge's matrix (1.27 to 1.32)", True),
        ("v1.23.1", "v1.36.3+k3s1", "unsupported_kubernetes: true", True),
        ("v1.23.1", "v1.26.0", "outside", True),
        ("v1.22.2", "v1.32.0", "outside", True),
        ("v1.23.1", "v2.30.0", "outside", True),
        ("v1.24.0", "v1.32.0", "in no matrix known here", True),
        ("latest", "", "not a version", False),
        ("v1.23.1", "k3s", "not a version", False),
    ],
)
def test_pairs_that_do_not(kubeedge, kubernetes, words, overridable):
    (found,) = problems(kubeedge, kubernetes)
    assert words in found
    assert (problems(kubeedge, kubernetes, unsupported=True) == []) is overridable


def test_two_things_wrong_are_both_told():
    assert len(problems("v1.23.0", "v1.36.3")) == 2


def test_every_safe_minor_is_in_the_matrix():
    assert set(SAFE) <= set(MATRIX)


@pytest.mark.parametrize(("text", "version"), [("v1.32.10-kubeedge-v1.23.1", "v1.23.1"), ("v1.36.3+k3s1", "")])
def test_the_version_in_a_node(text, version):
    assert node_version(text) == version
