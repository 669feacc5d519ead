"""An installation without internet: what it pulls is in the registry that `make mirror` has filled, and in no other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import chartlib
import pytest

import charts
from tests.charts.registry import serve

#: State values that make any environment an offline one.
OFFLINE = chartlib.ROOT / "values/env/offline.yaml"
#: Registries that images of others come from.
SOURCES = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "public.ecr.aws")


def rendered_images(environment: str, folder: Path, **over: object) -> set[str]:
    everything = chartlib.releases(environment, **over)
    pairs = [(release, charts.find_chart(release, folder)) for release in everything]
    return set().union(*(chartlib.images(chartlib.render(release, chart)) for release, chart in pairs if chart))


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_any_environment_can_be_offline(environment: str, upstream: Path) -> None:
    images = rendered_images(environment, upstream, **chartlib.state_files([OFFLINE]))
    assert len(images) > 10
    assert [image for image in images if not image.startswith("registry.example.org/")] == []
    others = [r for r in chartlib.releases(environment, **chartlib.state_files([OFFLINE])) if not r.ours]
    assert others and all(release.chart.startswith("/srv/readmission/charts/") for release in others)


def tool() -> str:
    """Return the program that scripts/mirror would use, if it is one that this test can tell where to look."""
    for name in ("skopeo", "podman", "buildah"):
        if shutil.which(name):
            asked = subprocess.run(
                [name, "--version" if name == "skopeo" else "info"], capture_output=True, check=False
            )
            if asked.returncode == 0:
                return name
    return ""


def told_where(folder: Path, outside: int, inside: int) -> dict[str, str]:
    """Return the environment of a program that pulls from `outside` what is of other registries, into a folder."""
    remapped = [
        f'[[registry]]\nprefix = "{name}"\nlocation = "127.0.0.1:{outside}/{name}"\ninsecure = true\n'
        for name in SOURCES
    ]
    local = f'[[registry]]\nlocation = "127.0.0.1:{inside}"\ninsecure = true\n'
    short = 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n'
    (folder / "registries.conf").write_text(short + "".join(remapped) + local)
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
    (folder / "storage.conf").write_text(storage)
    return os.environ | {
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }


def listed_images() -> list[str]:
    """Return the lines of `make mirror-list ENV=prod` with the images of others."""
    command = [sys.executable, "scripts/charts.py", "images", "prod"]
    output = subprocess.run(command, cwd=chartlib.ROOT, capture_output=True, text=True, check=True).stdout
    return [line for line in output.splitlines() if line.startswith("image ")]


@pytest.mark.timeout(600)
@pytest.mark.skipif(not tool(), reason="neither skopeo nor podman nor buildah is here to copy images with")
def test_the_mirror_holds_every_image_that_the_installation_pulls(upstream: Path, tmp_path: Path) -> None:
    lines = listed_images()
    with serve() as outside, serve() as inside:
        outside.fill()
        host = f"127.0.0.1:{inside.port}"
        done = subprocess.run(
            ["scripts/mirror", f"{host}/mirror", f"{host}/readmission"],
            input="".join(f"{line}\n" for line in lines),
            cwd=chartlib.ROOT,
            env=told_where(tmp_path, outside.port, inside.port),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        values = {"mirror": f"{host}/mirror", "chartsDir": "", "images": {"registry": f"{host}/readmission"}}
        pulled = rendered_images("prod", upstream, **values)
        theirs = {image for image in pulled if image.startswith(f"{host}/mirror/")}
        assert len(theirs) == len(lines) > 10
        assert {image for image in pulled - theirs if not image.startswith(f"{host}/readmission/")} == set()
        original = outside.config_of("any:1")
        held = {image: inside.config_of(image.partition("/")[2]) for image in theirs}
        assert [image for image, config in held.items() if config != original] == []
