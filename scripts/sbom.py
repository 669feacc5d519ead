"""Bills of materials of the lock and of each image (CycloneDX), with licences and known vulnerabilities: `make sbom`.

It ends with 1 if a package has a licence that nobody has allowed, or a vulnerability that nobody has accepted. Known
vulnerabilities are read from an OSV database (`--advisories`): a zip, a folder or a file of its records, such as the
one that OSV publishes for PyPI. Without one they are not checked, and the last line says so.

Debian's packages of the images are not in them: they are those of the base image and of DEBIAN in images/*.args.

Tools for this read one environment, or ask a service about every package. This reads the lock and what `make install`
has installed from it, offline, and knows which image has which packages.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from advisories import ACCEPTED, affects, read_advisories
from licences import EXCEPTIONS, is_allowed, is_spdx, licence
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True)
class Package:
    """One line of the lock: name, version, and the SHA-256 of every file that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def url(self) -> str:
        """Return the package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> dict[str, Package]:
    """Return the packages of a lock by name."""
    packages: dict[str, Package] = {}
    for block in re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", text)):
        if match := re.match(r"([A-Za-z0-9._-]+)==(\S+)", block):
            name = canonicalize_name(match[1])
            packages[name] = Package(name, match[2].rstrip(";"), tuple(re.findall(r"sha256:([0-9a-f]{64})", block)))
    return packages


def read_extras(arguments: str) -> list[str]:
    """Return the extras of an image from its file of build arguments."""
    lines = dict(line.split("=", 1) for line in arguments.splitlines() if "=" in line and not line.startswith("#"))
    return re.findall(r"--extra (\S+)", lines.get("EXTRAS", ""))


def read_omitted(arguments: str) -> set[str]:
    """Return the packages that an image leaves out."""
    return {name for line in arguments.splitlines() if line.startswith("WITHOUT=") for name in line[8:].split()}


def edges(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Return what a package requires here, each with its extras: ours by pyproject.toml, others as installed."""
    if name == "readmission":
        texts = [*PROJECT["dependencies"], *(text for e in extras for text in PROJECT["optional-dependencies"][e])]
    else:
        texts = _installed(name).requires or []
    required: list[tuple[str, frozenset[str]]] = []
    for text in texts:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            required.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return required


def closure(extras: Sequence[str], locked: Mapping[str, Package]) -> dict[str, set[str]]:
    """Return the locked packages that some extras of ours need, each with those that it requires."""
    graph: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [("readmission", frozenset(extras))]
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        below = [edge for edge in edges(*item) if edge[0] in locked or edge[0] == "readmission"]
        if item[0] in locked:
            graph.setdefault(item[0], set()).update(name for name, _ in below if name in locked)
        waiting += below
    return graph


def bill(name: str, version: str, packages: Sequence[Package], graph: Mapping[str, set[str]]) -> dict[str, Any]:
    """Return a bill of materials in CycloneDX 1.6, the same for the same lock."""
    urls = {package.name: package.url for package in packages}
    components = []
    for package in packages:
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": package.url,
            "name": package.name,
            "version": package.version,
            "purl": package.url,
            # One for each file of the lock: which one is installed depends on the platform.
            "hashes": [{"alg": "SHA-256", "content": content} for content in package.hashes],
        }
        if stated := licence(_installed(package.name)):
            component["licenses"] = [{"expression": stated} if is_spdx(stated) else {"license": {"name": stated}}]
        components.append(component)
    depends = [
        {"ref": urls[own], "dependsOn": sorted(urls[other] for other in graph.get(own, ()) if other in urls)}
        for own in sorted(urls)
    ]
    main = {"type": "application", "bom-ref": name, "name": name, "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main | {"licenses": [{"expression": "Apache-2.0"}]}},
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": sorted(urls.values())}, *depends],
    }


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is in the lock and not installed here: make install")


def licence_problems(packages: Sequence[Package]) -> list[str]:
    """Return the packages whose licence nobody has allowed, and exceptions without a package."""
    problems = []
    for package in packages:
        stated = licence(_installed(package.name))
        if package.name not in EXCEPTIONS and not is_allowed(stated):
            problems.append(f"{package.name} {package.version}: licence {stated or 'not stated'} is not allowed")
    names = {package.name for package in packages}
    return problems + [f"EXCEPTIONS names {name}, which is not in the lock" for name in EXCEPTIONS.keys() - names]


def main() -> None:
    """Write the bills, and say what is not allowed."""
    parser = argparse.ArgumentParser(description="Write CycloneDX bills of materials; check licences, vulnerabilities.")
    parser.add_argument("--advisories", type=Path, help="zip, folder or file of OSV records")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "sbom")
    arguments = parser.parse_args()
    locked = read_lock((ROOT / "requirements.lock").read_text())
    version = PROJECT["version"]
    arguments.out.mkdir(parents=True, exist_ok=True)
    everything = sorted(locked.values(), key=lambda package: package.name)
    graphs = {"lock": {name: {edge for edge, _ in edges(name, frozenset())} & locked.keys() for name in locked}}
    for file in sorted((ROOT / "images").glob("*.args")):
        graph = closure(read_extras(file.read_text()), locked)
        omitted = read_omitted(file.read_text())
        graphs[file.stem] = {name: below for name, below in graph.items() if name not in omitted}
    for name, graph in graphs.items():
        packages = [package for package in everything if package.name in graph]
        path = arguments.out / f"{name}.cdx.json"
        path.write_text(json.dumps(bill(f"readmission-{name}", version, packages, graph), indent=1) + "\n")
        print(f"{path}: {len(packages)} packages")
    problems = licence_problems(everything)
    print(f"licences: {len(everything)} packages, {len(problems)} problems, {len(EXCEPTIONS)} exceptions")
    if arguments.advisories:
        vulnerable = [
            f"{package.name} {package.version}: {record['id']} {record.get('summary', '')}".rstrip()
            for record in read_advisories(arguments.advisories)
            for package in everything
            if record["id"] not in ACCEPTED and affects(record, package.name, package.version)
        ]
        print(f"vulnerabilities: {len(vulnerable)}")
        problems += vulnerable
    else:
        print("vulnerabilities: NOT CHECKED, because --advisories names no database")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
