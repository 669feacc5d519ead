"""The images: one Dockerfile, a target and a file of arguments each."""

import ast
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "images" / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IMAGES = sorted(path.stem for path in (ROOT / "images").glob("*.args"))
#: Our packages, and where each lies.
PACKAGES = {Path(path).name: ROOT / path for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}


def arguments(name: str) -> dict[str, list[str]]:
    """Return the build arguments of an image, each split into words."""
    lines = (ROOT / "images" / f"{name}.args").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if not line.startswith("#")]
    return {key: value.split() for key, _, value in pairs}


def imported_packages(folder: Path) -> set[str]:
    """Return which of our packages the modules of a folder import."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names & set(PACKAGES)


def test_every_image_is_a_target_of_the_dockerfile() -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.M)
    assert set(stages) - {"build", "runtime", "unprivileged"} == set(IMAGES)


@pytest.mark.parametrize("name", IMAGES)
def test_arguments_are_those_that_the_dockerfile_takes(name: str) -> None:
    values = arguments(name)
    assert set(values) <= set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.M))
    assert set(values.get("EXTRAS", [])) - {"--extra"} <= set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_of_our_lock_or_of_one_of_its_own(name: str) -> None:
    values, lock = arguments(name), ROOT / "images" / f"{name}.lock"
    assert values.get("REQUIREMENTS", []) == (["-r", lock.name] if lock.exists() else [])
    assert lock.exists() or "EXTRAS" in values


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_carries_the_packages_that_its_own_import_and_no_others(name: str) -> None:
    packages = set(arguments(name).get("PACKAGES", []))
    needed = {
        "inference": "serving",
        "demo": "serving",
        "pipeline": "readmission",
        "loadtest": "loadtest",
        "notebook": "readmission",
    }
    expected = {needed[name]} | imported_packages(PACKAGES[needed[name]]) if name in needed else set()
    assert packages == expected


def test_what_the_dockerfile_copies_is_sent_to_the_builder() -> None:
    everything, *kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert everything == "*"
    copies = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.M)
    sources = {source for line in copies for source in line.split()}
    assert "notebooks" in sources
    assert {source for source in sources if f"!{source.split('/')[0]}" not in kept} == set()
    assert {source for source in sources if not (ROOT / source).exists()} == set()


def test_an_unknown_image_is_refused() -> None:
    done = subprocess.run([ROOT / "scripts/images", "nope"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "There is no image nope" in done.stderr


DIGEST = "sha256:" + "0123456789abcdef" * 4


def build(tmp_path: Path, docker: str = "exit 1", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/images with builders that build nothing; `docker` answers what its digests are."""
    for name in ("docker", "podman", "buildah"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{docker if name == 'docker' else 'exit 1'}\n")
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "IMAGE_BUILD": "echo", **settings}
    command = [str(ROOT / "scripts/images"), "demo"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_base_is_named_by_its_digest(tmp_path: Path) -> None:
    done = build(tmp_path, PYTHON_IMAGE=f"python@{DIGEST}")
    assert done.returncode == 0 and f"PYTHON_IMAGE=python@{DIGEST}" in done.stderr  # the build's argument
    assert f"Base: PYTHON_IMAGE=python@{DIGEST}\n" in done.stdout


def test_a_digest_that_is_none_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    done = build(tmp_path, PYTHON_IMAGE="python@sha256:abc")
    assert done.returncode == 2 and "64 hexadecimal digits" in done.stderr and done.stdout == ""


def test_a_base_by_tag_is_named_by_the_digest_that_the_program_knows(tmp_path: Path) -> None:
    done = build(tmp_path, docker=f'case "$*" in *python:3.11*) echo python@{DIGEST} ;; esac')
    assert f"Base: PYTHON_IMAGE=python@{DIGEST}\n" in done.stdout
    assert "whatever it is today" in build(tmp_path).stdout
