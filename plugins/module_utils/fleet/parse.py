# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fleet.yml as plain data that knows the line and column of each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

try:
    import yaml
except ImportError:  # PyYAML comes with ansible-core; only a managed node may lack it
    yaml = None

Path = Tuple[Any, ...]


@dataclass(frozen=True)
class Finding:
    """One mistake in fleet.yml: where it is, what was found, what was wanted."""

    line: int
    column: int
    path: Path
    message: str

    def text(self, file_name: str) -> str:
        return f"{file_name}:{self.line}:{self.column}: {dotted(self.path)}: {self.message}"


def dotted(path: Path) -> str:
    """('sites', 0, 'nodes') -> 'sites[0].nodes'; the empty path is '(top level)'."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) and not isinstance(step, bool) else f".{step}"
    return text.lstrip(".") or "(top level)"


class Document:
    """The data of one YAML file and the positions of its parts."""

    def __init__(self, data: Any, root: Any):
        self.data = data
        self._root = root

    def finding(self, path: Path, message: str) -> Finding:
        """A finding at ``path``; for a path that does not exist, at its nearest existing parent."""
        line, column = self._position(path)
        return Finding(line, column, tuple(path), message)

    def _position(self, path: Path) -> Tuple[int, int]:
        node, mark = self._root, self._root.start_mark
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node, mark = found
        return mark.line + 1, mark.column + 1


def _child(node: Any, step: Any) -> Optional[Tuple[Any, Any]]:
    """The node one step down, and the mark to point at: a key for a mapping, the item for a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark
    return None


def parse(text: str) -> Tuple[Optional[Document], List[Finding]]:
    """Read YAML without running anything in it.

    Values tagged !vault or !unsafe become plain text: the rules look only at shapes, Ansible's own loader
    decrypts. Returns the document, or None with the finding that says why it cannot be read.
    """
    loader = _loader_class()(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, [Finding(1, 1, (), "the file is empty")]
        doubles = _double_keys(root)
        if doubles:
            return None, doubles
        return Document(loader.construct_document(root), root), []
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return None, [Finding(line, column, (), f"not valid YAML: {error.problem or error.context}")]
    except (yaml.YAMLError, RecursionError) as error:
        return None, [Finding(1, 1, (), f"not valid YAML: {error}")]
    finally:
        loader.dispose()


def _loader_class() -> type:
    class FleetLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Safe YAML plus Ansible's tags."""

    for tag in ("!vault", "!vault-encrypted", "!unsafe"):
        FleetLoader.add_constructor(tag, _construct_plain)
    return FleetLoader


def _construct_plain(loader: Any, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _double_keys(root: Any) -> List[Finding]:
    """YAML loaders let the last of two equal keys win: half a site would vanish without a word."""
    findings: List[Finding] = []
    waiting: List[Tuple[Path, Any]] = [((), root)]
    seen = set()
    while waiting:
        path, node = waiting.pop(0)
        if id(node) in seen:  # reached again through an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend((path + (index,), item) for index, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            first_lines = {}
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else None
                if name is not None and name != "<<" and name in first_lines:
                    line, column = key.start_mark.line + 1, key.start_mark.column + 1
                    message = f"key '{name}' is there already at line {first_lines[name]}; keep one of them"
                    findings.append(Finding(line, column, path + (name,), message))
                elif name is not None:
                    first_lines[name] = key.start_mark.line + 1
                waiting.append((path + (name,), value))
    return findings
