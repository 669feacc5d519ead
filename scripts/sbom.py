"""Bills of materials of the lock and of each image (CycloneDX), with licences and known vulnerabilities: `make sbom`.

It ends with 1 if a package has a licence that nobody has allowed, or a vulnerability that nobody has accepted. Known
vulnerabilities are read from an OSV database (`--advisories`): a zip, a folder or a file of its records, such as the
one that OSV publishes for PyPI. Without one they are not checked, and the last line says so.

Debian's packages of the images are not in them: they are those of the base image and of DEBIAN in images/*.args.

Tools for this read one environment, or ask a service about every package. This reads the lock and what `make install`
has installed from it, offline, and knows which image has which packages. What the packages of an image with a lock of
its own state lies beside that lock in images/NAME.json, which `make lock` writes (`--record NAME FOLDER`).
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from advisories import ACCEPTED, affects, read_advisories
from licences import EXCEPTIONS, is_allowed, is_spdx, licence
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "images"
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
    return re.findall(r"--extra (\S+)", "".join(re.findall(r"(?m)^EXTRAS=.*", arguments)))


def read_omitted(arguments: str) -> set[str]:
    """Return the packages that an image leaves out."""
    return {name for line in arguments.splitlines() if line.startswith("WITHOUT=") for name in line[8:].split()}


@dataclass(frozen=True)
class Stock:
    """Packages of one lock, by name: what is locked, its licence, and what it requires of the same lock."""

    packages: dict[str, Package]
    licences: dict[str, str]
    graph: dict[str, set[str]]


def installed_stock(text: str, folder: Path | None = None) -> Stock:
    """Return the packages of a lock as they are installed, in this environment or in a folder of packages."""
    locked = read_lock(text)
    licences = {name: licence(_installed(name, folder)) for name in locked}
    graph = {name: {below for below, _ in edges(name, frozenset(), folder)} & locked.keys() for name in locked}
    return Stock(locked, licences, graph)


def recorded_stock(text: str, record: Mapping[str, Any]) -> Stock:
    """Return the packages of a lock with what was recorded of them; ends with a sentence if the record is another's."""
    locked = read_lock(text)
    if problem := {f"{name}=={package.version}" for name, package in locked.items()} ^ record.keys():
        sys.exit(f"{', '.join(sorted(problem))}: lock and record differ: make lock")
    facts = {key.split("==")[0]: value for key, value in record.items()}
    licences = {name: fact["licence"] for name, fact in facts.items()}
    return Stock(locked, licences, {name: {*fact["requires"]} for name, fact in facts.items()})


def record(name: str, folder: Path) -> None:
    """Write down what the packages of an image's own lock state of themselves, from where they are installed."""
    stock = installed_stock((IMAGES / f"{name}.lock").read_text(), folder)
    facts = {
        f"{name}=={package.version}": {"licence": stock.licences[name], "requires": sorted(stock.graph[name])}
        for name, package in sorted(stock.packages.items())
    }
    (IMAGES / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")


def edges(name: str, extras: frozenset[str], folder: Path | None = None) -> list[tuple[str, frozenset[str]]]:
    """Return what a package requires here, each with its extras: ours by pyproject.toml, others as installed."""
    if name == "readmission":
        texts = [*PROJECT["dependencies"], *(text for e in extras for text in PROJECT["optional-dependencies"][e])]
    else:
        texts = _installed(name, folder).requires or []
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


def image_stock(arguments: str, ours: Stock) -> Stock:
    """Return what an image takes from our lock, from its file of build arguments."""
    graph = closure(read_extras(arguments), ours.packages)
    names = graph.keys() - read_omitted(arguments)
    return Stock(
        {name: ours.packages[name] for name in names},
        {name: ours.licences[name] for name in names},
        {name: graph[name] for name in names},
    )


def bill(name: str, version: str, stock: Stock) -> dict[str, Any]:
    """Return a bill of materials in CycloneDX 1.6, the same for the same lock."""
    packages = sorted(stock.packages.values(), key=lambda package: package.name)
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
        if stated := stock.licences[package.name]:
            component["licenses"] = [{"expression": stated} if is_spdx(stated) else {"license": {"name": stated}}]
        components.append(component)
    depends = [
        {"ref": urls[own], "dependsOn": sorted(urls[other] for other in stock.graph.get(own, ()) if other in urls)}
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


def _installed(name: str, folder: Path | None = None) -> Distribution:
    path = sys.path if folder is None else [str(folder)]
    if package := next(iter(Distribution.discover(name=name, path=path)), None):
        return package
    sys.exit(f"{name} is in the lock and not installed here: make install")


def licence_problems(stocks: Sequence[Stock]) -> list[str]:
    """Return the packages whose licence nobody has allowed, and exceptions without a package."""
    problems = [
        f"{name} {stock.packages[name].version}: licence {stated or 'not stated'} is not allowed"
        for stock in stocks
        for name, stated in stock.licences.items()
        if name not in EXCEPTIONS and not is_allowed(stated)
    ]
    unused = EXCEPTIONS.keys() - {name for stock in stocks for name in stock.packages}
    return problems + [f"EXCEPTIONS names {name}, which is not in the lock" for name in unused]


def read_stocks() -> dict[str, Stock]:
    """Return what our lock holds, as `lock`, and what each image does."""
    stocks = {"lock": installed_stock((ROOT / "requirements.lock").read_text())}
    for file in sorted(IMAGES.glob("*.args")):
        lock = file.with_suffix(".lock")
        stocks[file.stem] = (
            recorded_stock(lock.read_text(), json.loads(file.with_suffix(".json").read_text()))
            if lock.exists()
            else image_stock(file.read_text(), stocks["lock"])
        )
    return stocks


def main() -> None:
    """Write the bills, and say what is not allowed."""
    parser = argparse.ArgumentParser(description="Write CycloneDX bills of materials; check licences, vulnerabilities.")
    parser.add_argument("--advisories", type=Path, help="zip, folder or file of OSV records")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "sbom")
    parser.add_argument("--record", nargs=2, metavar=("IMAGE", "FOLDER"), help="write images/IMAGE.json instead")
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments.record[0], Path(arguments.record[1]))
        return
    stocks = read_stocks()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, stock in stocks.items():
        path = arguments.out / f"{name}.cdx.json"
        path.write_text(json.dumps(bill(f"readmission-{name}", PROJECT["version"], stock), indent=1) + "\n")
        print(f"{path}: {len(stock.packages)} packages")
    locks = [stock for name, stock in stocks.items() if name == "lock" or (IMAGES / f"{name}.lock").exists()]
    everything = sorted({package.url: package for stock in locks for package in stock.packages.values()}.items())
    problems = licence_problems(locks)
    print(f"licences: {len(everything)} packages, {len(problems)} problems, {len(EXCEPTIONS)} exceptions")
    if arguments.advisories:
        vulnerable = [
            f"{package.name} {package.version}: {record['id']} {record.get('summary', '')}".rstrip()
            for record in read_advisories(arguments.advisories)
            for _, package in everything
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
