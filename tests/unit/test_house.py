"""The rules of the house (docs/decisions/README.md), as tests over the files of this repository."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "edgeai.sites"
TASK_FILE_LINES = 100
MODULE_LINES = 300


def found(pattern):
    """The files of a pattern. None found is a broken test, not a rule that holds."""
    paths = sorted(path for path in ROOT.glob(pattern) if "__pycache__" not in path.parts)
    assert paths, f"no file matches {pattern}: this rule would hold for nothing"
    return paths


def cases(pattern):
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in found(pattern)]


def load(path):
    """YAML with Ansible's tags as plain text."""

    class Loader(yaml.SafeLoader):
        pass

    for tag in ("!vault", "!unsafe"):
        Loader.add_constructor(tag, lambda loader, node: loader.construct_scalar(node))
    return yaml.load(path.read_text(encoding="utf-8"), Loader)  # a SafeLoader


MODULES = [path for path in found("plugins/modules/*.py") if path.stem != "__init__"]
ROLES = [path for path in found("roles/*") if path.is_dir()]
ROLE_TASKS = [path for pattern in ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml") for path in found(pattern)]


def role_cases():
    return [pytest.param(path, id=path.name) for path in ROLES]


def module_cases():
    return [pytest.param(path, id=path.stem) for path in MODULES]


def task_cases():
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in ROLE_TASKS]


def tasks_of(path):
    """Every task of a file, those in blocks included; a block itself is a task too."""
    waiting = list(load(path) or [])
    while waiting:
        task = waiting.pop(0)
        yield task
        for part in ("block", "rescue", "always"):
            waiting.extend(task.get(part, []))


# --- roles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", role_cases())
@pytest.mark.parametrize(
    "name", ["README.md", "defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml"]
)
def test_a_role_has_its_parts(role, name):
    assert (role / name).is_file()


def entry_points(role):
    return load(role / "meta/argument_specs.yml")["argument_specs"]


@pytest.mark.parametrize("role", role_cases())
def test_every_entry_point_is_a_task_file_and_says_what_it_does(role):
    for name, entry in entry_points(role).items():
        assert (role / "tasks" / f"{name}.yml").is_file(), f"{name}: no tasks/{name}.yml"
        assert entry.get("short_description") and entry.get("description"), f"{name}: not described"


@pytest.mark.parametrize("role", role_cases())
def test_every_option_has_a_type_and_a_description(role):
    for name, option in options_of(role):
        assert option.get("type"), f"{name}: no type"
        assert option.get("description"), f"{name}: no description"
        if option["type"] == "list":
            assert option.get("elements"), f"{name}: a list without elements"


def options_of(role):
    """(name, option) of all entry points, and of the options inside options."""
    waiting = [item for entry in entry_points(role).values() for item in (entry.get("options") or {}).items()]
    while waiting:
        name, option = waiting.pop(0)
        yield name, option
        waiting.extend((f"{name}.{sub}", part) for sub, part in (option.get("options") or {}).items())


def is_template(value):
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize("role", role_cases())
def test_specs_and_defaults_say_the_same(role):
    """Both ways, names and values.

    A default that is a template can stand in a spec only where its type is text: Ansible's documentation refuses
    it for other types. Such an option has no default in the spec, and its description names the template's variables.
    """
    defaults = load(role / "defaults/main.yml") or {}
    specified = set()
    for entry in entry_points(role).values():
        for name, option in (entry.get("options") or {}).items():
            specified.add(name)
            if name not in defaults:
                assert option.get("required") or "default" not in option, f"{name}: default only in the spec"
            elif is_template(defaults[name]) and option["type"] not in ("str", "path", "raw"):
                assert "default" not in option, f"{name}: a template is no {option['type']}; describe it instead"
                described = str(option["description"])
                for variable in re.findall(r"\b(?:edge|host|k3s|bundle|inference)_\w+", defaults[name]):
                    assert variable in described, f"{name}: description does not name {variable}, its default"
            else:
                assert option.get("default") == defaults[name], f"{name}: other default in the spec"
    assert set(defaults) <= specified, "defaults that no entry point specifies"


@pytest.mark.parametrize("role", role_cases())
def test_public_variables_carry_the_roles_name(role):
    names = set(load(role / "defaults/main.yml") or {})
    for path in sorted(role.glob("vars/*.yml")):
        internal = set(load(path) or {})
        assert all(name.startswith(f"__{role.name}_") for name in internal), f"{path.name}: {sorted(internal)}"
    assert all(name.startswith(f"{role.name}_") for name in names), sorted(names)


@pytest.mark.parametrize("path", task_cases())
def test_task_files_fit_a_screen_or_two(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= TASK_FILE_LINES


@pytest.mark.parametrize("role", role_cases())
def test_main_is_a_table_of_contents(role):
    for task in tasks_of(role / "tasks/main.yml"):
        kinds = {key for key in task if "." in key} | ({"block"} & set(task))
        allowed = {"ansible.builtin.import_tasks", "ansible.builtin.include_tasks", "ansible.builtin.import_role"}
        assert kinds <= allowed, f"{task.get('name')}: {sorted(kinds)}"


FORBIDDEN_IN_ROLES = {
    "groups[…]: pass what is needed as a variable": r"\bgroups\s*[\[.]|\bgroups\s*\|",
    "run_once: it breaks slices and picks a host by luck": r"\brun_once\b",
    "ignore_errors: handle the error": r"\bignore_errors\b",
    "failed_when: false: it hides every error": r"\bfailed_when:\s*(false|no)\b",
    "changed_when: true: it is never idempotent": r"\bchanged_when:\s*(true|yes)\b",
    "play_hosts and hostvars of others: roles know their own host": r"\b(play_hosts|ansible_play_hosts|ansible_play_batch)\b",
    "latest: versions are exact": r"\bstate:\s*latest\b|:latest\b",
    "gather_facts or setup: use what the probe returned": r"ansible\.builtin\.(setup|gather_facts)\b",
}


@pytest.mark.parametrize("rule", sorted(FORBIDDEN_IN_ROLES))
def test_roles_do_without(rule):
    pattern = re.compile(FORBIDDEN_IN_ROLES[rule])
    hits = []
    for path in [path for path in found("roles/**/*") if path.suffix in (".yml", ".j2")]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line.partition(" #")[0]) and not line.lstrip().startswith("#"):
                hits.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not hits, "\n".join(hits)


@pytest.mark.parametrize("path", task_cases())
def test_tasks_become_root_one_by_one(path):
    """A block or play that becomes root hides which task needs it."""
    for task in tasks_of(path):
        assert not ("block" in task and "become" in task), task.get("name")


@pytest.mark.parametrize("path", cases("playbooks/*.yml"))
def test_playbooks_gather_no_facts_and_are_not_root(path):
    for play in load(path):
        if "hosts" in play:
            assert play.get("gather_facts") is False, play["name"]
            assert "become" not in play, play["name"]


# --- modules and plugins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", module_cases())
def test_modules_are_thin(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


@pytest.mark.parametrize("path", module_cases())
def test_modules_are_documented_with_examples_that_use_the_full_name(path):
    documents = {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    }
    assert set(documents) == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    documentation = yaml.safe_load(documents["DOCUMENTATION"])
    assert documentation["module"] == path.stem
    assert {"check_mode", "diff_mode"} <= set(documentation["attributes"])
    examples = yaml.safe_load(documents["EXAMPLES"])
    assert any(f"{COLLECTION}.{path.stem}" in task for task in examples)


def test_the_action_group_is_complete():
    """`module_defaults` with group/edgeai.sites.all must reach every module and every action."""
    group = load(ROOT / "meta/runtime.yml")["action_groups"]["all"]
    actions = {path.stem for path in ROOT.glob("plugins/action/*.py")} - {"__init__"}
    assert sorted(group) == sorted({path.stem for path in MODULES} | actions)


PYTHON_ON_TARGETS = [*found("plugins/modules/*.py"), *found("plugins/module_utils/**/*.py")]


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PYTHON_ON_TARGETS])
def test_code_for_targets_is_python_3_8(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, filename=str(path), feature_version=(3, 8))
    if tree.body:
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        assert imports, "no `from __future__ import annotations`: Python 3.8 would evaluate the annotations"


# The parts of module_utils that touch the world, so that the modules stay thin. All others decide.
ADAPTERS = (
    "bundle/download.py", "containerd/adapters", "gpu/adapters", "health/adapters", "host/sources.py", "k3s/adapters", "kubeapi",
    "kubeedge/adapters", "packages/tool.py", "rollout/adapters", "systemd.py",
)
OF_THE_WORLD = {"ansible", "http.client", "requests", "subprocess", "urllib.request"}


@pytest.mark.parametrize("path", cases("plugins/module_utils/**/*.py"))
def test_the_thinking_does_no_input_or_output(path):
    """Decisions are functions of their arguments: no processes, no network, no Ansible."""
    name = path.relative_to(ROOT / "plugins/module_utils").as_posix()
    if not name.startswith(ADAPTERS):
        assert not imports_of(path) & OF_THE_WORLD


def imports_of(path):
    """Every imported module and its parents: {'urllib.request', 'urllib', …}."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_list_of_adapters_is_not_older_than_the_code(name):
    assert (ROOT / "plugins/module_utils" / name).exists()


@pytest.mark.parametrize("path", cases("plugins/**/*.py"))
def test_every_plugin_file_has_its_licence(path):
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert "SPDX-License-Identifier: GPL-3.0-or-later" in "\n".join(text.splitlines()[:6])


# --- the collection --------------------------------------------------------------------------------------------------


def test_one_version():
    version = load(ROOT / "galaxy.yml")["version"]
    releases = load(ROOT / "changelogs/changelog.yaml")["releases"]
    assert version == max(releases, key=lambda text: [int(part) for part in text.split(".")])
    assert version.replace(".", r"\.") in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_module_is_in_the_changelog():
    """`antsibull-changelog release` notes new plugins; a fragment announces what comes after the last release."""
    releases = load(ROOT / "changelogs/changelog.yaml")["releases"].values()
    noted = {module["name"] for release in releases for module in release.get("modules", [])}
    unreleased = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("changelogs/fragments/*.y*ml"))
    assert [path.stem for path in MODULES if path.stem not in noted and path.stem not in unreleased] == []


def test_dependencies_are_the_same_everywhere():
    galaxy = load(ROOT / "galaxy.yml")["dependencies"]
    wanted = {item["name"]: item.get("version") for item in load(ROOT / "requirements.yml")["collections"]}
    assert wanted.pop(".", "missing") is None
    assert wanted == galaxy
    assert not [name for name in galaxy if name.startswith("community.")], "community.* costs certification"


def test_every_tool_is_pinned_and_locked():
    def pins(name):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    direct, locked = pins("requirements-dev.txt"), pins("requirements-dev.lock")
    assert direct and all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s=]+", line) for line in direct + locked)
    assert {line.lower() for line in direct} <= {line.lower() for line in locked}


def test_requirements_of_the_execution_environment_are_lower_bounds():
    lines = (ROOT / "meta/ee-requirements.txt").read_text(encoding="utf-8").split()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*>=[0-9.]+", line) for line in lines)
    assert not [line for line in lines if line.lower().startswith("ansible")]


def tracked_files():
    """What git has or would add: the files that are the product."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_path_of_somebodys_machine():
    pattern = re.compile(rf"{re.escape(str(ROOT))}\b|{re.escape(str(ROOT.resolve()))}\b|/Users/\w+/")
    hits = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        hits += [f"{path.relative_to(ROOT)}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    assert not hits, "\n".join(hits)


def test_no_symbolic_links_and_no_large_files():
    files = tracked_files()
    assert files
    assert not [path for path in files if path.is_symlink()]
    assert not [path for path in files if path.stat().st_size > 512 * 1024]


def test_lint_excuses_nothing():
    config = load(ROOT / ".ansible-lint")
    assert config["profile"] == "production"
    assert not {"skip_list", "warn_list", "mock_modules", "mock_roles"} & set(config)
    assert not [path for path in tracked_files() if path.name.startswith(".ansible-lint-ignore")]
    assert not [path for path in tracked_files() if path.match("tests/sanity/ignore*")]
    excuse = re.compile(r"#\s*(noqa|type:\s*ignore|pylint:\s*disable|yamllint\s+disable)")
    files = [path for path in tracked_files() if path.suffix in (".py", ".yml", ".yaml")]
    assert files
    assert not [path for path in files if excuse.search(path.read_text(encoding="utf-8"))]


def test_every_playbook_is_imported_by_its_full_name():
    """A relative import breaks where the collection is installed and the project is elsewhere, as in AWX."""
    names = {path.stem for path in found("playbooks/*.yml")}
    imports = Counter()
    for path in [ROOT / "site.yml", *found("playbooks/*.yml")]:
        for play in load(path):
            target = play.get("ansible.builtin.import_playbook")
            if target:
                assert target.startswith(f"{COLLECTION}."), f"{path.name}: {target}"
                imports[target.removeprefix(f"{COLLECTION}.")] += 1
    assert set(imports) <= names
    assert imports["site"] == 1, "the root site.yml opens playbooks/site.yml"


# --- documentation ---------------------------------------------------------------------------------------------------

TEXTS = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")})


def text_cases():
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in TEXTS]


def test_there_is_documentation():
    names = {str(path.relative_to(ROOT)) for path in TEXTS}
    assert {"README.md", "docs/inventory.md", "docs/decisions/README.md"} <= names


def code_of(path):
    """Fenced blocks and `inline code` of a Markdown file."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.M | re.S)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("path", text_cases())
def test_commands_in_the_documentation_exist(path):
    code = code_of(path)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"\bmake ([a-z-]+)\b", code)) <= targets
    playbooks = {playbook.stem for playbook in found("playbooks/*.yml")}
    assert set(re.findall(r"ansible-playbook[^\n|]*\bedgeai\.sites\.([a-z_]+)", code)) <= playbooks
    files = re.findall(r"(?:^|[\s(])((?:playbooks|inventories|tools|lab|docs|roles|plugins|molecule)/[\w./-]*\w)", code)
    missing = [name for name in files if not (ROOT / name).exists()]
    assert not missing, f"no such file: {missing}"


@pytest.mark.parametrize("path", text_cases())
def test_links_in_the_documentation_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("https://", "mailto:")):
            assert path != ROOT / "README.md", f"{target}: Galaxy shows this README, where only full URLs lead somewhere"
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_every_page_is_in_the_index_of_its_folder_once(folder):
    index = ROOT / folder / "README.md"
    linked = Counter(re.findall(r"\]\(([\w-]+\.md)\)", index.read_text(encoding="utf-8")))
    pages = {path.name for path in found(f"{folder}/*.md")} - {index.name}
    assert pages and linked == Counter(pages)


def test_our_own_urls_lead_to_files_of_this_repository():
    own = re.compile(r"https://github\.com/edgeai/sites/(?:blob|tree)/main/([\w./-]+)")
    targets = {(path, target) for path in TEXTS for target in own.findall(path.read_text(encoding="utf-8"))}
    assert targets
    assert not [(path.name, target) for path, target in targets if not (ROOT / target).exists()]


def test_every_key_of_fleet_yml_is_documented():
    from ansible_collections.edgeai.sites.plugins.module_utils.fleet import schema

    text = (ROOT / "docs/inventory.md").read_text(encoding="utf-8")
    parts = (schema.FLEET, schema.SITE, schema.WINDOW, schema.NODE, schema.CLOUD, schema.WORKLOAD)
    keys = {key for part in parts for key in part["properties"]}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_every_variable_that_the_inventory_sets_is_documented():
    from ansible_collections.edgeai.sites.plugins.module_utils.fleet.rules import RESERVED_VARS

    text = (ROOT / "docs/inventory.md").read_text(encoding="utf-8")
    assert [name for name in RESERVED_VARS if f"`{name}`" not in text] == []
