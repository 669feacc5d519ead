"""Generated files of the charts: schema and README from values.yaml, the version from pyproject.toml.

In values.yaml, `# -- text` above a key describes it and `# @schema {...}` adds to its schema. A block mapping is
closed: its keys are all there are. A mapping or list in flow style (`{}`, `[a]`) is one value, open inside. helm-docs
and helm-schema do the same, but they are Go programs that PyPI does not have, and `make check` runs offline.
"""

import json
import re
import tomllib
from typing import Any, NamedTuple

import yaml
from chartlib import CHART_NAMES, CHARTS, ROOT

from readmission import contract

TYPES = {"str": "string", "bool": "boolean", "int": "integer", "float": "number", "map": "object", "seq": "array"}


def version() -> str:
    """Return the one version of package, images and charts."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


class Row(NamedTuple):
    """One value of a chart, as its README lists it."""

    name: str
    kind: str
    default: str
    description: str

    def __str__(self) -> str:
        """Return the row of the Markdown table."""
        default, description = (
            text.replace("|", "\\|").replace("\n", " ") for text in (self.default, self.description)
        )
        return f"| `{self.name}` | {self.kind} | `{default}` | {description} |"


def comment(lines: list[str], line: int) -> tuple[str, dict[str, Any]]:
    """Return description and schema of the key on a line, from the comments directly above it."""
    schema: dict[str, Any] = {}
    for above in reversed(lines[:line]):
        text = above.strip()
        if text.startswith("# @schema "):
            schema = json.loads(text.removeprefix("# @schema "))
        elif text.startswith("# -- "):
            return text.removeprefix("# -- "), schema
        else:
            break
    return "", schema


def describe(node: yaml.MappingNode, lines: list[str], path: str, rows: list[Row]) -> dict[str, Any]:
    """Return the closed schema of a block mapping, and add a row for each of its values."""
    properties: dict[str, Any] = {}
    for key, value in node.value:
        name = f"{path}{key.value}"
        description, extra = comment(lines, key.start_mark.line)
        kind = TYPES.get(value.tag.rsplit(":")[-1])
        if kind is None:
            raise SystemExit(f"{name}: a default of {value.tag} has no type. Use an empty text, 0, {{}} or [].")
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            properties[key.value] = describe(value, lines, f"{name}.", rows)
            continue
        if not description:
            raise SystemExit(f"{name} has no description. Add a line `# -- ...` above it.")
        properties[key.value] = {"type": kind, "description": description, **extra}
        start, end = value.start_mark, value.end_mark
        default = start.buffer[start.pointer : end.pointer].strip() if start.buffer else ""
        rows.append(Row(name, kind, default or '""', description))
    return {"type": "object", "additionalProperties": False, "properties": properties}


def chart_docs(name: str) -> dict[str, str]:
    """Return the generated files of one chart: file name -> content."""
    text = (CHARTS / name / "values.yaml").read_text()
    chart = yaml.safe_load((CHARTS / name / "Chart.yaml").read_text())
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise SystemExit(f"charts/{name}/values.yaml is not a mapping.")
    rows: list[Row] = []
    schema = {"$schema": "http://json-schema.org/draft-07/schema#"} | describe(root, text.splitlines(), "", rows)
    # The library chart has no values, but Helm passes them to it.
    schema["properties"]["common"] = {"type": "object", "description": "Not used."}
    if name == "readmission":
        for dependency in chart["dependencies"][1:]:
            # The subchart's own schema checks its values.
            schema["properties"][dependency["name"]]["additionalProperties"] = True
    else:
        # Helm passes the umbrella's condition to the subchart.
        schema["properties"]["enabled"] = {"type": "boolean", "description": "Read by the umbrella chart."}
    alone = chart.get("annotations", {}).get("readmission/alone", "")
    return {
        "values.schema.json": json.dumps(schema, indent=1) + "\n",
        "README.md": readme(name, chart["description"], rows, alone),
    }


def secrets(rows: list[Row]) -> dict[str, list[str]]:
    """Return the Secrets that a chart's defaults name, with their keys."""
    defaults = {row.name: row.default for row in rows}
    named: dict[str, list[str]] = {}
    for name, default in defaults.items():
        group, _, last = name.rpartition(".")
        if not last.endswith("Secret") or default == '""':
            continue
        kind = last.removesuffix("Secret").removesuffix("existing")
        siblings = {"": ("key", "accessKey", "secretKey"), "admin": ("adminKey",), "roles": ("roles",)}[kind]
        keys = [yaml.safe_load(defaults[f"{group}.{key}"]) for key in siblings if f"{group}.{key}" in defaults]
        named[default] = keys[0] if kind == "roles" else keys
    return named


def commands(name: str, alone: str, rows: list[Row]) -> str:
    """Return the commands that install a chart alone."""
    lines = [
        f"kubectl create secret generic {secret} {' '.join(f'--from-literal={key}=...' for key in keys)}"
        for secret, keys in secrets(rows).items()
    ]
    values = ",".join(filter(None, ["global.image.registry=registry.example.org/readmission", alone]))
    lines.append(f"helm install {name} charts/{name} --dependency-update --set {values}")
    return "".join(f"    {line}\n" for line in lines)


def readme(name: str, description: str, rows: list[Row], alone: str) -> str:
    """Return the README of one chart.

    Args:
        name: Chart.
        description: What it is, a sentence without its full stop.
        rows: Its values.
        alone: Values without which it does not install alone, as for `helm install --set`.
    """
    match name:
        case "readmission":
            use = ""
        case "foundation":
            use = " Installed first, by helmfile, with `values/foundation.yaml.gotmpl`."
        case _:
            use = f" Part of the umbrella chart `readmission`. Alone:\n\n{commands(name, alone, rows)}".rstrip()
    table = "\n".join(map(str, rows))
    return (
        f"# {name}\n\n{description}.{use}\n\nGenerated from values.yaml by `make generate`.\n\n"
        f"| value | type | default | description |\n|---|---|---|---|\n{table}\n"
    )


def versioned() -> dict[str, str]:
    """Return the files that carry the version, with the version of pyproject.toml."""
    now = version()
    result: dict[str, str] = {}
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
