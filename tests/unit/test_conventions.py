"""How code is written: sizes, names, records, and what is not written around a rule."""

import ast
import re

import pytest

from tests.unit.sources import PACKAGE, ROOT, programs_and_tests, sources

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
