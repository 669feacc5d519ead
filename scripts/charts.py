"""Charts: `check` renders, lints and validates them, `images` lists what a mirror needs, `pull` downloads others'."""

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import jsonschema
import kubernetes_validate
from chartlib import (
    CHART_NAMES,
    CHARTS,
    ENVIRONMENTS,
    ROOT,
    Release,
    alone,
    as_json,
    build_dependencies,
    custom_schemas,
    helmfile,
    images,
    merged,
    releases,
    render,
    state_files,
)

KUBERNETES = "1.34"
#: State values that choose the Postgres of an operator.
OPERATED: dict[str, Any] = {"postgres": {"engine": "cloudnative-pg"}, "cnpg": {"install": True}}


def charts_folder() -> Path | None:
    """Return the folder with the charts of others, when there is one: $CHARTS_DIR."""
    folder = Path(os.environ.get("CHARTS_DIR") or Path.home() / ".cache/readmission/charts")
    return folder if folder.is_dir() else None


def lint(problems: list[str]) -> None:
    """Lint our charts, strictly."""
    for name in CHART_NAMES:
        report = helm.lint(CHARTS / name, alone(name), strict=True, kube_version=f"v{KUBERNETES}.0")
        problems += [f"lint {name}: {m['error']}" for m in report["messages"] if m["severity"] >= 2]
    print(f"linted {len(CHART_NAMES)} charts")


def validate(
    release: str, objects: list[dict[str, Any]], custom: dict[tuple[str, str], Any], problems: list[str]
) -> Counter[str]:
    """Validate objects against the schemas of Kubernetes and of custom resources; count what was and was not."""
    counts: Counter[str] = Counter()
    for item in objects:
        schema = custom.get((item["apiVersion"], item["kind"]))
        try:
            objection = find_mistake(as_json(item), as_json(schema) if schema else "")
        except kubernetes_validate.SchemaNotFoundError:
            counts[f"not validated ({item['kind']}: its definition is not on disk)"] += 1
            continue
        counts["custom" if schema else "kubernetes"] += 1
        problems += [f"{release}: {item['kind']} {item['metadata']['name']}: {objection}"] if objection else []
    return counts


@cache
def find_mistake(item: str, schema: str) -> str:
    """Return what the schema objects to in an object, or nothing.

    Both are JSON, so that objects which environments share are validated once.
    """
    try:
        if schema:
            jsonschema.Draft202012Validator(closed(json.loads(schema))).validate(json.loads(item))
        else:
            kubernetes_validate.validate(json.loads(item), KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
        path = "/".join(map(str, getattr(error, "path", [])))
        return f"{path}: {str(getattr(error, 'message', error)).splitlines()[0][:200]}"
    return ""


def closed(schema: Any) -> Any:
    """Return a custom resource's schema with unknown keys forbidden, as the API server drops them silently."""
    if not isinstance(schema, dict):
        return schema
    result = {k: {n: closed(s) for n, s in v.items()} if k == "properties" else closed(v) for k, v in schema.items()}
    result.pop("pattern", None)  # in the syntax of Go
    opened = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not opened and schema.get("type") == "object":
        result["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        result = {"type": ["integer", "string"]}
    # The root of a custom resource says of metadata only that it is an object.
    result.get("properties", {}).get("metadata", {}).pop("additionalProperties", None)
    return result


def check(environments: list[str], **over: Any) -> None:
    """Render, lint and validate every release of every environment, with a site's values; say what was not."""
    build_dependencies()
    folder, problems = charts_folder(), list[str]()
    lint(problems)
    custom: dict[tuple[str, str], Any] = {}
    if folder:
        for release in releases("prod", **OPERATED):
            chart = find_chart(release, folder)
            if chart and release.name in ("readmission-crds", "readmission-keda", "readmission-cnpg"):
                custom |= custom_schemas(render(release, chart))
    for environment in environments:
        counts, rendered, absent = Counter[str](), [], []
        for release in releases(environment, **over):
            chart = find_chart(release, folder)
            if chart is None:
                absent.append(release.name)
                continue
            objects = render(release, chart)
            counts += validate(f"{environment}/{release.name}", objects, custom, problems)
            rendered.append(release.name)
        print(f"{environment}: rendered {', '.join(rendered)}: {describe(counts)}")
        if absent:
            print(f"{environment}: NOT rendered, charts not in CHARTS_DIR ({folder or 'unset'}): {', '.join(absent)}")
    for problem in problems:
        print(f"PROBLEM {problem}")
    sys.exit(1 if problems else 0)


def describe(counts: Counter[str]) -> str:
    """Describe in one phrase how many objects were validated, and by what."""
    validations = {
        "kubernetes": f"valid by the schemas of Kubernetes {KUBERNETES}",
        "custom": "by their own definitions",
    }
    return ", ".join(f"{n} objects {validations.get(what, what)}" for what, n in sorted(counts.items()))


def find_chart(release: Release, folder: Path | None) -> Path | None:
    """Return where a release's chart lies on disk, or None."""
    if release.ours:
        return ROOT / release.chart
    archive = release.archive(folder) if folder else None
    return archive if archive and archive.is_file() else None


def mirror_list(environment: str) -> None:
    """Print every chart and image of an environment, as rendered: `chart NAME VERSION URL DIGEST`, `image NAME`."""
    build_dependencies()
    folder = charts_folder()
    repositories = {r["name"]: ("oci://" if r.get("oci") else "") + r["url"] for r in helmfile()[1]["repositories"]}
    names: set[str] = set()
    for release in releases(environment, mirror="", chartsDir="", images={"registry": ""}):
        chart = find_chart(release, folder)
        if chart is None:
            sys.exit(f"{release.name}: its chart is not in CHARTS_DIR ({folder or 'unset'}): run `make charts-pull`.")
        if not release.ours:
            repository, name = release.chart.split("/")
            digest = hashlib.sha256(chart.read_bytes()).hexdigest()
            print(f"chart {name} {release.version} {repositories[repository]} sha256:{digest}")
        names |= images(render(release, chart))
    ours = {f"{path.stem}:" for path in (ROOT / "images").glob("*.args")}
    for image in sorted(names):
        kind = "own" if any(image.startswith(o) for o in ours) else "image"
        print(f"{kind} {image}")


def pull(folder: str) -> None:
    """Print the commands that bring the charts of others into a folder."""
    repositories = {r["name"]: ("oci://" if r.get("oci") else "") + r["url"] for r in helmfile()[1]["repositories"]}
    chosen = {r.chart: r for over in ({}, OPERATED) for r in releases("prod", **merged({"chartsDir": ""}, over))}
    for release in chosen.values():
        if not release.ours:
            repository, name = release.chart.split("/")
            url = repositories[repository]
            source = f"{url}/{name}" if url.startswith("oci://") else f"{name} --repo {url}"
            print(f"helm pull {source} --version {release.version} -d {folder}")


def main() -> None:
    """Run the verb of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    checking = verbs.add_parser("check")
    checking.add_argument("environments", nargs="*", default=ENVIRONMENTS)
    checking.add_argument("--values", nargs="*", type=Path, default=[], help="state value files of a site")
    verbs.add_parser("dependencies")
    verbs.add_parser("images").add_argument("environment", nargs="?", default="prod")
    verbs.add_parser("pull").add_argument("folder")
    arguments = parser.parse_args()
    if arguments.verb == "check":
        check(arguments.environments or ENVIRONMENTS, **state_files(arguments.values))
    elif arguments.verb == "dependencies":
        build_dependencies()
    elif arguments.verb == "images":
        mirror_list(arguments.environment)
    else:
        pull(arguments.folder)


if __name__ == "__main__":
    main()
