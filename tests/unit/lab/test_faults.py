"""Arguments of `lab fault`: what is accepted, what is refused and how."""

import pytest
from edgelab import faults
from edgelab.errors import LabError


@pytest.mark.parametrize(
    "words, arguments",
    [
        (["disk-full"], ("/var/lib/rancher", "1")),
        (["disk-full", "/var/lib/edgeai/"], ("/var/lib/edgeai", "1")),
        (["disk-full", "/data", "20"], ("/data", "20")),
        (["port-taken", "6443"], ("6443",)),
        (["half-written", "/usr/local/bin/k3s"], ("/usr/local/bin/k3s",)),
        (["set", "api-429", "5"], ("api-429", "5")),
        (["clear"], ()),
        (["show"], ()),
        (["power-off"], ()),
        (["power-on"], ()),
        (["gpu", "driver-mismatch"], ("driver-mismatch",)),
    ],
)
def test_accepted(words, arguments):
    assert faults.parse(words[0], words[1:]) == faults.Request(words[0], arguments)


@pytest.mark.parametrize(
    "words, word",
    [
        (["disk-full", "relative/path"], "usage: lab fault HOST disk-full"),
        (["disk-full", "/var/../etc"], "usage"),
        (["disk-full", "/x; reboot"], "usage"),
        (["disk-full", "/x", "0"], "usage"),
        (["disk-full", "/x", "1", "2"], "usage"),
        (["port-taken"], "usage"),
        (["port-taken", "70000"], "usage"),
        (["port-taken", "80; reboot"], "usage"),
        (["half-written"], "usage"),
        (["half-written", "/a b"], "usage"),
        (["set", "KEY", "1"], "usage"),
        (["set", "key"], "usage"),
        (["clear", "all"], "usage"),
        (["gpu"], "usage: lab fault HOST gpu"),
        (["gpu", "melted"], "usage: lab fault HOST gpu"),
        (["explode"], "unknown fault explode"),
        (["clock-jump", "60"], "clock of the whole machine"),
    ],
)
def test_refused_with_a_word(words, word):
    with pytest.raises(LabError, match=word):
        faults.parse(words[0], words[1:])


def test_an_unknown_fault_lists_the_known_ones():
    with pytest.raises(LabError) as error:
        faults.parse("explode", [])
    assert all(name in str(error.value) for name in faults.KINDS)


@pytest.mark.parametrize(
    "word, value", [("5", 5), ("true", True), ("import", "import"), ('{"a": 1}', {"a": 1}), ("1.5", 1.5)]
)
def test_values_are_json_or_words(word, value):
    assert faults.value(word) == value
