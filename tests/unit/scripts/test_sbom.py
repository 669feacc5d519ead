"""Bills of materials: what the lock and each image hold, and a build that ends for a licence or a vulnerability."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import sbom

LOCK = """# a comment
alpha==1.2.3 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
be_ta==4.5 ; sys_platform == 'linux' \\
    --hash=sha256:{a}
""".format(a="a" * 64, b="b" * 64)


def test_the_lock_is_read_with_every_hash() -> None:
    locked = sbom.read_lock(LOCK)
    assert locked["alpha"] == sbom.Package("alpha", "1.2.3", ("a" * 64, "b" * 64))
    assert locked["be-ta"].url == "pkg:pypi/be-ta@4.5"


def test_an_image_has_the_packages_of_its_extras_and_no_others() -> None:
    locked = sbom.read_lock((sbom.ROOT / "requirements.lock").read_text())
    arguments = (sbom.ROOT / "images" / "inference.args").read_text()
    assert sbom.read_extras(arguments) == ["inference"] and sbom.read_omitted(arguments) == {"scipy"}
    graph = sbom.closure(["inference"], locked)
    assert {"bentoml", "lightgbm", "uvloop", "msgspec", "cryptography"} <= graph.keys()
    assert not {"mlflow", "gradio", "apache-airflow", "pytest"} & graph.keys()
    assert "numpy" in graph["lightgbm"]


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(sbom.ROOT / "scripts" / "sbom.py"), "--out", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_image_has_a_bill_and_every_licence_is_allowed(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "NOT CHECKED" in done.stdout
    images = {path.stem for path in (sbom.ROOT / "images").glob("*.args")}
    bills = {path.name.removesuffix(".cdx.json"): json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert bills.keys() == images | {"lock"}
    for name, bill in bills.items():
        references = {component["bom-ref"] for component in bill["components"]}
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6"), name
        assert len(references) == len(bill["components"]) > 20, name
        assert all(component["licenses"] and component["hashes"] for component in bill["components"]), name
        for dependency in bill["dependencies"]:
            assert {*dependency["dependsOn"]} <= references, name


def test_a_known_vulnerability_ends_the_build(tmp_path: Path) -> None:
    version = sbom.read_lock((sbom.ROOT / "requirements.lock").read_text())["httpx"].version
    affected = [{"package": {"ecosystem": "PyPI", "name": "httpx"}, "versions": [version]}]
    (tmp_path / "one.json").write_text(json.dumps({"id": "PYSEC-1", "summary": "bad", "affected": affected}))
    done = run(tmp_path / "out", "--advisories", str(tmp_path / "one.json"))
    assert done.returncode == 1 and "vulnerabilities: 1" in done.stdout
    assert f"httpx {version}: PYSEC-1 bad" in done.stderr


def test_an_image_with_a_lock_of_its_own_is_judged_by_it(tmp_path: Path) -> None:
    version = sbom.read_lock((sbom.IMAGES / "pgadmin.lock").read_text())["pgadmin4"].version
    affected = [{"package": {"ecosystem": "PyPI", "name": "pgadmin4"}, "versions": [version]}]
    (tmp_path / "one.json").write_text(json.dumps({"id": "PYSEC-1", "summary": "bad", "affected": affected}))
    done = run(tmp_path / "out", "--advisories", str(tmp_path / "one.json"))
    assert done.returncode == 1 and f"pgadmin4 {version}: PYSEC-1 bad" in done.stderr
    bill = json.loads((tmp_path / "out" / "pgadmin.cdx.json").read_text())
    names = {component["name"]: component for component in bill["components"]}
    assert {"pgadmin4", "gunicorn", "flask"} <= names.keys() and not {"mlflow", "readmission", "pytest"} & names.keys()
    assert names["pgadmin4"]["licenses"] == [{"expression": "PostgreSQL"}]
    [edges] = [d["dependsOn"] for d in bill["dependencies"] if d["ref"] == names["pgadmin4"]["bom-ref"]]
    assert names["flask"]["bom-ref"] in edges


def test_a_record_holds_what_installed_packages_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"httpx==0.28 \\\n    --hash=sha256:{'a' * 64}\nidna==3.20 \\\n    --hash=sha256:{'b' * 64}\n"
    (tmp_path / "web.lock").write_text(text)
    monkeypatch.setattr(sbom, "IMAGES", tmp_path)
    sbom.record("web", Path(httpx.__file__).parents[1])
    stock = sbom.recorded_stock(text, json.loads((tmp_path / "web.json").read_text()))
    assert stock == sbom.installed_stock(text)
    assert (stock.graph, stock.licences["idna"]) == ({"httpx": {"idna"}, "idna": set()}, "BSD-3-Clause")


def test_a_record_of_another_lock_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"alpha==1\.2\.3.*make lock"):
        sbom.recorded_stock(LOCK, {"be-ta==4.5": {"licence": "MIT", "requires": []}})


def test_a_licence_that_nobody_allowed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom, "EXCEPTIONS", {"gone": "a reason"})
    packages = {
        "psycopg2-binary": sbom.Package("psycopg2-binary", "2.9", ()),
        "httpx": sbom.Package("httpx", "0.28", ()),
    }
    licences = {"psycopg2-binary": "LGPL", "httpx": "BSD-3-Clause"}
    first, second = sbom.licence_problems([sbom.Stock(packages, licences, {})])
    assert first.startswith("psycopg2-binary 2.9: licence LGPL") and second.startswith("EXCEPTIONS names gone")
