"""Render the releases of helmfile.yaml with Helm's own engine from PyPI: no helm, no helmfile, no network.

Of helmfile it knows what helmfile.yaml uses: environments, state values, `*.gotmpl` values, templated `chart`,
`version`, and `condition` on values/derived.yaml.gotmpl. Each template runs in Helm's engine as the only template of
a chart made for it; `make e2e` compares the result with the real helmfile's.
"""

import io
import json
import pickle
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHARTS = ROOT / "charts"
#: Ours, in the order in which they are built: the library, what uses it, the umbrella.
PARTS = sorted(p.parent.name for p in CHARTS.glob("*/Chart.yaml") if p.parent.name not in ("common", "readmission"))
CHART_NAMES = [*PARTS, "readmission"]
ENVIRONMENTS = ["dev", "staging", "prod", "offline"]
#: What `staging` and `prod` ask whoever installs them: where people log in, who is told of alerts, and either stores of
#: their own or the bundled ones.
ANSWERS: dict[str, Any] = {
    "acceptEndOfLifeStores": True,
    "alerts": {"webhookSecret": "alerts"},
    "logIn": {"issuer": "https://login.example.org", "clientId": "readmission", "clientSecret": "log-in"},
}


class Loader(yaml.CSafeLoader):
    """Loader of YAML as Kubernetes reads it: `=` and dates are text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":")[-1] not in ("value", "timestamp")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> Any:
    """Return one document of YAML, by libyaml, which reads it ten times as fast as Python does."""
    return yaml.load(text, yaml.CSafeLoader)


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of an environment: its chart (folder or archive) and its values."""

    name: str
    namespace: str
    chart: str
    version: str
    values: dict[str, Any]

    @property
    def ours(self) -> bool:
        """Tell whether the chart is one of this repository."""
        return self.chart.startswith("charts/")

    def archive(self, folder: Path) -> Path:
        """Return where the chart of others lies in a folder of charts."""
        return (
            folder
            / f"{self.chart.rsplit('/')[-1].removesuffix('.tgz').removesuffix('-' + self.version)}-{self.version}.tgz"
        )


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return two levels of values as one, as helm and helmfile do: maps merge, all else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


@lru_cache(maxsize=64)
def _template_chart(template: str) -> helm.Chart:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in (
            ("t/Chart.yaml", "apiVersion: v2\nname: t\nversion: 0.0.1\n"),
            ("t/templates/t.yaml", template),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return helm.Chart.load_archive(buffer.getvalue())


def render_template(template: str, values: dict[str, Any], release: str = "x") -> str:
    """Render one Go template with `.Values` and `.Release.Name`."""
    return _template_chart(template).render(values, name=release, namespace="default")["t/templates/t.yaml"]


def helmfile() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two documents of helmfile.yaml: environments, and releases with repositories."""
    environments, rest = yaml.load_all((ROOT / "helmfile.yaml").read_text(), yaml.CSafeLoader)
    return environments["environments"], rest


def state(environment: str, **over: Any) -> dict[str, Any]:
    """Return the state values of an environment; an unknown key raises a HelmError that names it."""
    values: dict[str, Any] = {}
    for name in helmfile()[0][environment]["values"]:
        if not name.endswith(".gotmpl"):
            values = merged(values, read((ROOT / name).read_text()) or {})
    values = merged(values, over)
    defaults = read((ROOT / "values/env/defaults.yaml").read_text())
    template = (ROOT / "values/derived.yaml.gotmpl").read_text()
    derived: dict[str, Any] = read(render_template(template, values | {"known": defaults}))
    return values | derived


def state_files(paths: list[Path]) -> dict[str, Any]:
    """Return the state values of files, the later over the earlier, as helmfile's --state-values-file."""
    values: dict[str, Any] = {}
    for path in paths:
        values = merged(values, read(path.read_text()) or {})
    return values


def releases(environment: str, **over: Any) -> list[Release]:
    """Return what an environment installs, in the order of helmfile.yaml; what `prod` asks for is answered."""
    values = state(environment, **merged(ANSWERS, over))
    installs = values["installs"]
    conditions = {f"installs.{choice}.enabled": install["enabled"] for choice, install in installs.items()}
    chosen = []
    for spec in helmfile()[1]["releases"]:
        name = render_template(spec["name"], values)
        text = {k: render_template(v, values, name) for k, v in spec.items() if isinstance(v, str)}
        if "condition" in spec and not conditions[spec["condition"]]:
            continue
        chart_values: dict[str, Any] = {}
        for path in spec.get("values", []):
            content = render_template((ROOT / path).read_text(), values, name)
            chart_values = merged(chart_values, read(content) or {})
        chosen.append(
            Release(
                name=text["name"],
                namespace=text["namespace"],
                chart=text["chart"],
                version=text.get("version", ""),
                values=chart_values,
            )
        )
    return chosen


def alone(name: str) -> dict[str, Any]:
    """Return the values without which one of our charts does not install alone, as its README prints them."""
    chart = read((CHARTS / name / "Chart.yaml").read_text())
    values: dict[str, Any] = {}
    for pair in filter(None, chart.get("annotations", {}).get("readmission/alone", "").split(",")):
        path, value = pair.split("=", 1)
        for key in reversed(path.split(".")):
            value = {key: value}
        values = merged(values, value)
    return values


def build_dependencies(folder: Path = CHARTS) -> None:
    """Put each chart's dependencies, which are its siblings, into its charts/ folder: `helm dependency build`.

    An archive takes the place of the one before at once, so that another process can render meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as built:
        for name in CHART_NAMES:
            target = folder / name / "charts"
            target.mkdir(exist_ok=True)
            for dependency in read((folder / name / "Chart.yaml").read_text()).get("dependencies", []):
                helm.package(folder / dependency["repository"].removeprefix("file://../"), destination=built)
            current = [path.replace(target / path.name) for path in Path(built).iterdir()]
            for path in set(target.iterdir()) - set(current):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def render(release: Release, chart: Path) -> list[dict[str, Any]]:
    """Render a release to its objects, hooks and tests included; custom resource definitions too.

    What was rendered with the same values before is not rendered again: the definitions alone take half a second.
    """
    files = sorted(path for path in (chart.rglob("*") if chart.is_dir() else [chart]) if path.is_file())
    content = tuple((str(path), *path.stat()[6:9]) for path in files)
    rendered = _rendered(release.name, release.namespace, as_json(release.values), chart, content)
    objects: list[dict[str, Any]] = pickle.loads(rendered)  # noqa: S301 - our own bytes: a copy for each caller
    return objects


@lru_cache(maxsize=256)
def _rendered(name: str, namespace: str, values: str, chart: Path, content: tuple[Any, ...]) -> bytes:
    with helm.Chart.load(chart) as loaded:
        manifests = loaded.render(json.loads(values), name=name, namespace=namespace)
        texts = [text for path, text in sorted(manifests.items()) if not path.endswith("NOTES.txt")]
        texts += [crd["data"] for crd in loaded.crds]
    objects = [o for text in texts for o in yaml.load_all(text, Loader) if o]
    return pickle.dumps([item for o in objects for item in (o["items"] if o["kind"].endswith("List") else [o])])


def render_ours(
    name: str, values: dict[str, Any] | None = None, namespace: str = "readmission"
) -> list[dict[str, Any]]:
    """Render one of our charts alone (dependencies must be built)."""
    release = Release(name=name, namespace=namespace, chart=f"charts/{name}", version="", values=values or {})
    return render(release, CHARTS / name)


def custom_schemas(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the schemas that CustomResourceDefinitions among objects bring: (apiVersion, kind) -> schema."""
    return {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): version["schema"][
            "openAPIV3Schema"
        ]
        for crd in objects
        if crd["kind"] == "CustomResourceDefinition"
        for version in crd["spec"]["versions"]
    }


def images(objects: list[dict[str, Any]]) -> set[str]:
    """Return every image that objects name: of containers, and of the operator's custom resources and arguments."""
    names: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for image in (node.get("image"), node.get("imageName")):
                if isinstance(image, str) and ":" in image:
                    names.add(image)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
        elif isinstance(node, str) and "config-reloader=" in node:
            names.add(node.split("=", 1)[1])

    walk([o for o in objects if o["kind"] != "CustomResourceDefinition"])
    return names


def as_json(value: Any) -> str:
    """Return a value in one canonical form, for comparing."""
    return json.dumps(value, sort_keys=True, default=str)
