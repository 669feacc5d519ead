"""Generated files of the charts: schema and README from values.yaml, the version from pyproject.toml.

In values.yaml, `# -- text` above a key describes it and `# @schema {...}` adds to its schema. A block mapping is
closed: its keys are all there are. A mapping or list in flow style (`{}`, `[a]`) is one value, open inside.
"""

import json
import re
import tomllib
from typing import Any

import yaml
from chartlib import CHART_NAMES, CHARTS, ROOT

from readmission import contract

TYPES = {"str": "string", "bool": "boolean", "int": "integer", "float": "number", "map": "object", "seq": "array"}


def version() -> str:
    """Return the one version of package, images and charts."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def comment(lines: list[str], line: int) -> tuple[str, dict[str, Any]]:
    """Return description and schema of the key that stands on a line, from the comments right above it."""
    text, extra = "", {}
    for above in reversed(lines[:line]):
        stripped = above.strip()
        if stripped.startswith("# @schema "):
            extra = json.loads(stripped.removeprefix("# @schema "))
        elif stripped.startswith("# -- "):
            text = stripped.removeprefix("# -- ")
            break
        else:
            break
    return text, extra


def describe(
    node: yaml.MappingNode, lines: list[str], path: str, rows: list[tuple[str, str, str, str]]
) -> dict[str, Any]:
    """Return the closed schema of a block mapping; add a row a value: key, type, default, description."""
    properties: dict[str, Any] = {}
    for key, value in node.value:
        name = f"{path}{key.value}"
        text, extra = comment(lines, key.start_mark.line)
        kind = TYPES.get(value.tag.rsplit(":")[-1])
        if kind is None:
            raise SystemExit(f"{name}: a default of type {value.tag} says no type; use an empty text, 0, {{}} or [].")
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            properties[key.value] = describe(value, lines, f"{name}.", rows)
            continue
        if not text:
            raise SystemExit(f"{name} has no description: put a line `# -- ...` above it.")
        properties[key.value] = {"type": kind, "description": text, **extra}
        raw = (
            value.start_mark.buffer[value.start_mark.pointer : value.end_mark.pointer]
            if value.start_mark.buffer
            else ""
        )
        rows.append((name, kind, raw.strip() or '""', text))
    return {"type": "object", "additionalProperties": False, "properties": properties}


def chart_docs(name: str) -> dict[str, str]:
    """Return the generated files of one chart: file name -> content."""
    text = (CHARTS / name / "values.yaml").read_text()
    rows: list[tuple[str, str, str, str]] = []
    schema = {"$schema": "http://json-schema.org/draft-07/schema#"} | describe(
        yaml.compose(text), text.splitlines(), "", rows
    )
    # A library chart has no values of its own, but Helm hands them down.
    schema["properties"]["common"] = {"type": "object", "description": "Not used."}
    chart = yaml.safe_load((CHARTS / name / "Chart.yaml").read_text())
    if name == "readmission":
        for dependency in chart["dependencies"][1:]:
            # The subchart's own schema judges its values.
            schema["properties"][dependency["name"]]["additionalProperties"] = True
    else:
        # Helm hands an umbrella's condition down to the subchart.
        schema["properties"]["enabled"] = {"type": "boolean", "description": "Read by the umbrella chart."}
    cell = lambda s: s.replace("|", "\\|").replace("\n", " ")  # noqa: E731
    table = "\n".join(f"| `{n}` | {k} | `{cell(d)}` | {cell(t)} |" for n, k, d, t in rows)
    alone = (
        ""
        if name == "readmission"
        else f" Part of the umbrella chart `readmission`; alone: `helm install {name} charts/{name}`."
    )
    if name == "foundation":
        alone = " Installed first, by helmfile, with `values/foundation.yaml.gotmpl`."
    readme = (
        f"# {name}\n\n{chart['description']}.{alone}\n\n"
        "Generated from values.yaml by `make generate`.\n\n"
        f"| value | type | default | what it is |\n|---|---|---|---|\n{table}\n"
    )
    return {"values.schema.json": json.dumps(schema, indent=1) + "\n", "README.md": readme}


def versioned() -> dict[str, str]:
    """Return the files that carry the version, with the version of pyproject.toml."""
    now, result = version(), {}
    for name in ["common", *CHART_NAMES]:
        path = f"charts/{name}/Chart.yaml"
        text = re.sub(r"^version: .*$", f"version: {now}", (ROOT / path).read_text(), flags=re.M)
        text = re.sub(r"^appVersion: .*$", f'appVersion: "{now}"', text, flags=re.M)
        result[path] = re.sub(r"(?<=, )version: [^,]+", f"version: {now}", text)
    path = "values/env/defaults.yaml"
    result[path] = re.sub(r"^version: .*$", f"version: {now}", (ROOT / path).read_text(), flags=re.M)
    return result


def files() -> dict[str, str]:
    """Return every generated file of the charts: path in the repository -> content."""
    example = {"charts/inference/files/example.json": json.dumps(dict(contract.EXAMPLE)) + "\n"}
    docs = {f"charts/{name}/{file}": text for name in CHART_NAMES for file, text in chart_docs(name).items()}
    return versioned() | example | docs
