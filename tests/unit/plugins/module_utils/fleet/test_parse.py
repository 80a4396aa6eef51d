"""Reading fleet.yml: data, positions, and files that cannot be read."""

from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import dotted, parse

TEXT = """---
plugin: edgeai.sites.fleet
sites:
  - name: north
    vars: {token: !vault "$ANSIBLE_VAULT;1.1;AES256", raw: !unsafe "{{ x }}"}
  - {name: south, nodes: [{name: a}]}
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ((), 2, 1),
        (("plugin",), 2, 1),
        (("sites",), 3, 1),
        (("sites", 0), 4, 5),
        (("sites", 0, "vars", "raw"), 5, 55),
        (("sites", 1, "nodes", 0, "name"), 6, 28),
        (("sites", 1, "windows"), 6, 5),  # not there: its parent
        (("sites", 7), 3, 1),
    ],
)
def test_a_finding_points_at_its_part(path, line, column):
    document, findings = parse(TEXT)
    assert findings == []
    finding = document.finding(path, "wrong")
    assert (finding.line, finding.column) == (line, column)


def test_a_finding_reads_file_line_column_path_message():
    document, _findings = parse(TEXT)
    finding = document.finding(("sites", 1, "nodes", 0, "name"), "too short")
    assert finding.text("f.yml") == "f.yml:6:28: sites[1].nodes[0].name: too short"


def test_ansible_tags_are_text_here():
    document, _findings = parse(TEXT)
    assert document.data["sites"][0]["vars"] == {"token": "$ANSIBLE_VAULT;1.1;AES256", "raw": "{{ x }}"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("a: 1\nb: [1, 2\n", 3, "not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is there already at line 1"),
        ("sites:\n  - name: x\n    name: y\n", 3, "'name' is there already at line 2"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "could not determine a constructor"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_where(text, line, words):
    document, findings = parse(text)
    assert document is None
    assert findings[0].line == line
    assert words in findings[0].message


def test_every_double_key_is_found_once_even_behind_an_alias():
    _document, findings = parse("a: &x {k: 1, k: 2}\nb: *x\nc: {m: 1, m: 2}\n")
    assert [dotted(finding.path) for finding in findings] == ["a.k", "c.m"]


def test_a_file_that_contains_itself_is_read():
    document, findings = parse("a: &x [1, *x]\n")
    assert findings == []
    assert document.finding(("a", 1, 1, 1, 0), "deep").line == 1


def test_merge_keys_keep_working():
    document, findings = parse("base: &b {arch: arm64}\nnode: {<<: *b, name: n}\n")
    assert findings == []
    assert document.data["node"] == {"arch": "arm64", "name": "n"}
