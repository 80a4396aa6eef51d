# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Would the tests notice? Changes the rollout's pure core in one place at a time and runs its tests: tests/mutation.py --sample 100

A mutant is killed when a test fails, or when its tests do not come to an end. Survivors are listed with file, line and change.
Each mutant lives in a forked process that loads the changed source under the module's own name; no file is written.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import io
import os
import random
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ansible_collections.edgeai.sites.plugins.module_utils.rollout"
SOURCE = ROOT / "plugins" / "module_utils" / "rollout"
UNIT = "tests/unit/plugins/module_utils/rollout"
# Tests of adapters, over an API: they take as long as all others, and decisions are tested without them.
SLOW = ("adapters", "test_ledger_cluster.py", "test_ledger_controllers.py")
# Words for people and the shape of a file are compared by other tests; a changed sentence is no changed decision.
LEFT_OUT = ("__init__.py", "schema.py", "show.py", "errors.py")
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
               ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult}


class Mutator(ast.NodeTransformer):
    """Counts the places where something can be changed, and changes the one with the wanted number."""

    def __init__(self, wanted: int = -1):
        self.wanted, self.seen, self.told = wanted, 0, ("", 0)

    def _turn(self, node, words: str) -> bool:
        self.seen += 1
        if self.seen - 1 != self.wanted:
            return False
        self.told = (words, node.lineno)
        return True

    def visit_Compare(self, node):
        self.generic_visit(node)
        for number, operator in enumerate(node.ops):
            other = COMPARISONS.get(type(operator))
            if other and self._turn(node, f"{type(operator).__name__} -> {other.__name__} in {ast.unparse(node)}"):
                node.ops[number] = other()
        return node

    def visit_BoolOp(self, node):
        self.generic_visit(node)
        if self._turn(node, f"and <-> or in {ast.unparse(node)}"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and self._turn(node, f"without not in {ast.unparse(node)}"):
            return node.operand
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        other = ARITHMETIC.get(type(node.op))
        if other and not _text(node.left) and not _text(node.right) and self._turn(node,
                                                                                   f"{type(node.op).__name__} -> {other.__name__} in {ast.unparse(node)}"):
            node.op = other()
        return node

    def visit_Constant(self, node):
        if isinstance(node.value, bool):
            if self._turn(node, f"{node.value} -> {not node.value}"):
                return ast.copy_location(ast.Constant(not node.value), node)
        elif isinstance(node.value, int) and self._turn(node, f"{node.value} -> {node.value + 1}"):
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def visit_Return(self, node):
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and self._turn(node, f"return None for {ast.unparse(node.value)[:60]}"):
            node.value = ast.copy_location(ast.Constant(None), node.value)
        return node

    def visit_If(self, node):
        self.generic_visit(node)
        if self._turn(node, f"never: if {ast.unparse(node.test)[:70]}"):
            node.test = ast.copy_location(ast.Constant(False), node.test)
        return node

    def visit_JoinedStr(self, node):
        return node

    def visit_FunctionDef(self, node):
        # Annotations and docstrings are no decisions.
        node.body = [self.visit(item) for item in node.body if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))] or node.body
        node.args.defaults = [self.visit(item) for item in node.args.defaults]
        return node


def _text(node) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(node, ast.Constant) and isinstance(node.value, str)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads the changed source where the module's own would be loaded."""

    def __init__(self, name: str, path: Path, tree: ast.Module):
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, fullname, path=None, target=None):
        return importlib.util.spec_from_loader(fullname, self, origin=str(self.path)) if fullname == self.name else None

    def get_code(self, fullname):
        return compile(ast.fix_missing_locations(self.tree), str(self.path), "exec")

    def get_source(self, fullname):
        return ast.unparse(self.tree)

    def is_package(self, fullname):
        return False


def places() -> list[tuple[Path, int]]:
    found = []
    for path in sorted(SOURCE.glob("*.py")):
        if path.name not in LEFT_OUT:
            counter = Mutator()
            counter.visit(ast.parse(path.read_text(encoding="utf-8")))
            found += [(path, number) for number in range(counter.seen)]
    return found


def survives(path: Path, number: int, limit: int) -> tuple[bool, tuple[str, int]]:
    """Run the tests on one mutant in a process of its own; a crash, or no end, is a kill too."""
    mutator = Mutator(number)
    tree = mutator.visit(copy.deepcopy(ast.parse(path.read_text(encoding="utf-8"))))
    child = os.fork()
    if child == 0:
        os._exit(_tests(path, tree, limit))
    _pid, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0, mutator.told


def _tests(path: Path, tree: ast.Module, limit: int) -> int:
    import pytest

    # CPU seconds, not those of the clock: a machine that is busy kills nothing.
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    name = ".".join([PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts])
    sys.meta_path.insert(0, Changed(name, path, tree))
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(io.StringIO()):
        unit = [UNIT, *(f"--ignore={UNIT}/{name}" for name in SLOW)]
        for tests in (unit, ["tests/property/test_plan_invariants.py"], ["tests/property/test_engine_invariants.py"]):
            code = pytest.main([*tests, "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"])
            if code:
                return int(code)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="how many mutants, drawn by lot; all by default")
    parser.add_argument("--seed", type=int, default=1, help="another one draws others")
    parser.add_argument("--module", default="", help="only this file, such as reduce.py")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for one mutant")
    parser.add_argument("--goal", type=int, default=90, help="percent to be killed")
    options = parser.parse_args()
    os.environ.setdefault("EDGEAI_PROPERTY_EXAMPLES", "5")
    chosen = [place for place in places() if not options.module or place[0].name == options.module]
    total = len(chosen)
    if options.sample and options.sample < total:
        chosen = sorted(random.Random(options.seed).sample(chosen, options.sample))
    started, alive = time.monotonic(), []
    # Without this, tests that always fail would kill everything.
    if not survives(SOURCE / "judge.py", -1, options.limit)[0]:
        print("FAILED: the tests do not pass on the code as it is")
        return 1
    for done, (path, number) in enumerate(chosen, 1):
        survived, (words, line) = survives(path, number, options.limit)
        if survived:
            alive.append(f"{path.relative_to(ROOT)}:{line}: {words}")
            print(f"  survived  {alive[-1]}", flush=True)
        if done % 25 == 0:
            print(f"  {done} of {len(chosen)}, {time.monotonic() - started:.0f} s", flush=True)
    killed = len(chosen) - len(alive)
    print(f"mutants: {killed} of {len(chosen)} killed ({100 * killed / max(1, len(chosen)):.1f} %, goal {options.goal} %), drawn from {total} places")
    return 0 if chosen and killed * 100 >= options.goal * len(chosen) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / ".ansible" / "dev"))
    os.chdir(ROOT)
    sys.exit(main())
