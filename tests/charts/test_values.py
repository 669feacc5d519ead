"""The files that describe the charts, and the environments' differences."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chart_docs
import chartlib
import generate
import helm_python as helm
import pytest
import yaml

import charts


def test_every_generated_file_is_fresh() -> None:
    assert list(generate.stale()) == [], "run `make generate`"


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_docs, "version", lambda: "9.9.9")
    assert {"charts/demo/Chart.yaml", "values/env/defaults.yaml"} <= set(generate.stale())


def test_a_value_without_description_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(chartlib.CHARTS / "demo", tmp_path / "demo")
    with (tmp_path / "demo/values.yaml").open("a") as file:
        file.write("secretSauce: 1\n")
    monkeypatch.setattr(chart_docs, "CHARTS", tmp_path)
    with pytest.raises(SystemExit, match="secretSauce has no description"):
        chart_docs.chart_docs("demo")


@pytest.mark.parametrize("environment", chartlib.ENVIRONMENTS)
def test_environments_only_say_what_the_defaults_know(environment: str) -> None:
    defaults = yaml.safe_load((chartlib.ROOT / "values/env/defaults.yaml").read_text())

    def unknown(over: dict[str, Any], below: dict[str, Any], path: str = "") -> Iterator[str]:
        for key, value in over.items():
            if key not in below:
                yield f"{path}{key}"
            elif isinstance(value, dict) and below[key]:
                yield from unknown(value, below[key], f"{path}{key}.")

    over = yaml.safe_load((chartlib.ROOT / f"values/env/{environment}.yaml").read_text())
    assert list(unknown(over, defaults)) == []


@pytest.mark.parametrize("environment", chartlib.ENVIRONMENTS)
def test_prod_alone_requires_what_only_people_know_and_every_environment_hands_it_on(environment: str) -> None:
    facts = {"developer": "A hospital", "review_due": "2027-05-31"}
    [release] = [r for r in chartlib.releases(environment, site={"facts": facts}) if r.name == "foundation"]
    settings = [o["data"] for o in chartlib.render(release, chartlib.CHARTS / "foundation") if o["kind"] == "ConfigMap"]
    [steps] = [data for data in settings if "READMISSION_SITE" in data]
    assert steps["READMISSION_SITE_REQUIRED"] == str(environment == "prod").lower()
    assert yaml.safe_load(steps["READMISSION_SITE"]) == facts


def test_external_stores_leave_nothing_of_ours_behind() -> None:
    external = {
        "postgres": {"install": False, "host": "db.example.org"},
        "objectStore": {"install": False, "endpoint": ""},
    }
    by_name = {r.name: r for r in chartlib.releases("dev", **external)}
    assert not {"postgres", "minio"} & by_name.keys()
    objects = chartlib.render(by_name["foundation"], chartlib.CHARTS / "foundation")
    made = next(o["data"]["secrets.json"] for o in objects if "secrets.json" in o.get("data", {}))
    assert "minio" not in made and "postgres-admin" not in made
    policies = {o["metadata"]["name"]: o for o in objects if o["kind"] == "NetworkPolicy"}
    assert policies["mlflow-to-postgres"]["spec"]["egress"] == [{"ports": [{"port": 5432}]}]
    assert "postgres-from-mlflow" not in policies
    mlflow = str(chartlib.render(by_name["readmission"], chartlib.CHARTS / "readmission"))
    assert "@db.example.org:5432/mlflow" in mlflow and "MLFLOW_S3_ENDPOINT_URL" not in mlflow


@pytest.mark.parametrize(
    ("where", "peer"),
    [
        (
            {},
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}},
                "podSelector": {},
            },
        ),
        ({"namespace": "", "cidr": "10.1.2.3/32"}, {"ipBlock": {"cidr": "10.1.2.3/32"}}),
    ],
)
def test_a_collector_of_traces_is_told_of_and_may_be_reached(where: dict[str, str], peer: dict[str, Any]) -> None:
    tracing = {"endpoint": "http://collector.tracing:4318"} | where
    by_name = {r.name: r for r in chartlib.releases("dev", tracing=tracing)}
    objects = chartlib.render(by_name["foundation"], chartlib.CHARTS / "foundation")
    rules = {o["metadata"]["name"]: o["spec"].get("egress") for o in objects if o["kind"] == "NetworkPolicy"}
    for name in ("inference", "demo", "steps"):
        assert rules[f"{name}-to-collector"] == [{"to": [peer], "ports": [{"port": 4318}]}]
    [settings] = [o["data"] for o in objects if o["metadata"]["name"] == "readmission-settings"]
    assert settings["READMISSION_TRACE_ENDPOINT"] == tracing["endpoint"]
    pods = [str(o) for o in chartlib.render(by_name["readmission"], chartlib.CHARTS / "readmission")]
    assert sum("READMISSION_TRACE_ENDPOINT" in pod for pod in pods) == 2


def test_validation_finds_mistakes() -> None:
    problems: list[str] = []
    wrong = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"port": 80}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": "two"}},
    ]
    assert charts.validate("r", wrong, {}, problems)["kubernetes"] == 2
    assert len(problems) == 2 and "port" in problems[0] and "Deployment d" in problems[1]


def test_validation_of_custom_resources_finds_typos(upstream: Path) -> None:
    [crds] = [r for r in chartlib.releases("dev") if r.name == "readmission-crds"]
    custom = chartlib.custom_schemas(chartlib.render(crds, crds.archive(upstream)))
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "m", "labels": {"a": "b"}},
        "spec": {"selector": {}, "endpoints": [{"prt": "http"}]},
    }
    problems: list[str] = []
    charts.validate("r", [monitor], custom, problems)
    assert len(problems) == 1 and "prt" in problems[0]


def test_offline_names_no_registry_but_the_mirror(upstream: Path) -> None:
    for release in chartlib.releases("offline"):
        chart = charts.find_chart(release, upstream)
        assert chart is not None, f"{release.name} is not in {upstream}"
        for image in chartlib.images(chartlib.render(release, chart)):
            assert image.startswith("registry.example.org/"), f"{release.name}: {image}"


@pytest.mark.skipif(not shutil.which("helmfile"), reason="helmfile is not on the PATH")
def test_helmfile_renders_the_same(upstream: Path) -> None:
    command = [
        "helmfile",
        "-q",
        "-e",
        "prod",
        "--state-values-set",
        f"chartsDir={upstream},acceptEndOfLifeStores=true,alerts.webhookSecret=alerts,"
        "logIn.issuer=https://login.example.org,logIn.clientId=readmission,logIn.clientSecret=log-in",
        "template",
    ]
    command += ["--skip-deps", "--args", "--kube-version=1.34.0"]
    output = subprocess.run(
        command, cwd=chartlib.ROOT, env=os.environ | {"KUBECONFIG": "/dev/null"}, capture_output=True, check=True
    )
    theirs = {chartlib.as_json(o) for o in yaml.load_all(output.stdout, chartlib.Loader) if o}
    ours = [o for r in chartlib.releases("prod") if r.ours for o in chartlib.render(r, chartlib.ROOT / r.chart)]
    assert len(ours) > 60
    assert [f"{o['kind']} {o['metadata']['name']}" for o in ours if chartlib.as_json(o) not in theirs] == []


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"postgres": {"instal": False}}, r"postgres\.instal is no state value\. postgres has: adminUser, "),
        ({"postgress": {}}, r"postgress is no state value\. The top level has: "),
        ({"cluster": {"namespaces": {"create": "no"}}}, r"cluster\.namespaces\.create is no; it must be true or false"),
        ({"monitoring": False}, r"monitoring is false; it must be a map"),
        ({"postgres": {"install": False}}, r"postgres\.host: name your Postgres server"),
        ({"postgres": {"engine": "mysql"}}, r"postgres\.engine is mysql; it must be bitnami or cloudnative-pg"),
        ({"postgres": {"engine": "cloudnative-pg"}}, r"cnpg: postgres\.engine is cloudnative-pg, which needs its oper"),
        (
            {"acceptEndOfLifeStores": False, "postgres": {"engine": "cloudnative-pg"}, "cnpg": {"install": True}},
            r"objectStore\.install: the bundled store gets no security updates",
        ),
        ({"alerts": {"webhookSecret": ""}}, r"alerts: nobody would be told of an alert\. Name a Secret"),
        ({"logIn": {"issuer": ""}}, r"logIn\.issuer: name the URL of your identity provider, so that no page is open"),
        ({"logIn": {"issuer": "login.example.org"}}, r"logIn\.issuer is login\.example\.org; it must be a URL"),
        ({"logIn": {"clientId": ""}}, r"logIn\.clientId: name the client that your identity provider knows"),
        ({"logIn": {"clientSecret": ""}}, r"logIn\.clientSecret: name a Secret of the namespace default"),
        ({"ingress": {"domain": ""}}, r"ingress\.domain: name the domain of the pages"),
        ({"ingress": {"door": {"a": "b"}}}, r"logIn\.issuer: there is a log-in of yours already"),
        ({"acceptEndOfLifeStores": False}, r"postgres\.install: the bundled store gets no security updates"),
        (
            {"acceptEndOfLifeStores": False, "postgres": {"install": False, "host": "db.example.org"}},
            r"objectStore\.install: the bundled store gets no security updates",
        ),
    ],
)
def test_a_state_value_that_is_unknown_or_of_another_kind_is_named(over: dict[str, Any], message: str) -> None:
    with pytest.raises(helm.HelmError, match=message):
        chartlib.state("prod", **chartlib.merged(chartlib.ANSWERS, over))


def test_prod_accepts_the_stores_of_a_hospital_and_does_not_bring_its_own() -> None:
    answers = {key: value for key, value in chartlib.ANSWERS.items() if key != "acceptEndOfLifeStores"}
    with pytest.raises(helm.HelmError, match="acceptEndOfLifeStores: true"):
        chartlib.state("prod", **answers)
    theirs = {"postgres": {"install": False, "host": "db.example.org"}, "objectStore": {"install": False}}
    installs = chartlib.state("prod", **theirs, **answers)["installs"]
    assert not installs["postgres"]["enabled"] and not installs["objectStore"]["enabled"]
    assert chartlib.state("staging", **answers)["installs"]["postgres"]["enabled"]


def test_open_maps_take_any_key() -> None:
    open_maps = {
        "overrides": {"x": {"y": 1}},
        "pipelineSettings": {"A": "b"},
        "monitoring": {"labels": {"release": "k"}},
    }
    assert chartlib.state("dev", **open_maps)["monitoring"]["labels"] == {"release": "k"}


OPERATED = {"postgres": {"engine": "cloudnative-pg", "size": "50Gi"}, "cnpg": {"install": True}}


def test_the_operators_postgres_is_reached_by_the_same_parts_and_by_its_operator() -> None:
    by_name = {r.name: r for r in chartlib.releases("prod", **OPERATED)}
    foundation = chartlib.render(by_name["foundation"], chartlib.CHARTS / "foundation")
    policies = {o["metadata"]["name"]: o["spec"] for o in foundation if o["kind"] == "NetworkPolicy"}
    instances = {"matchLabels": {"cnpg.io/cluster": "postgres"}}
    for name, port in {
        "postgres-from-inference": 5432,
        "postgres-from-postgres": 5432,
        "postgres-status-from-postgres-operator": 8000,
        "postgres-metrics-from-prometheus": 9187,
    }.items():
        assert policies[name]["podSelector"] == instances and policies[name]["ingress"][0]["ports"] == [{"port": port}]
    assert policies["postgres-to-kubernetes-api"]["podSelector"] == instances
    made = next(o["data"]["secrets.json"] for o in foundation if "secrets.json" in o.get("data", {}))
    secrets = {(s["namespace"], s["name"]): s["data"] for s in yaml.safe_load(made)}
    assert secrets["readmission-data", "postgres-superuser"] == {"username": "postgres", "password": "{postgres-admin}"}
    assert "@postgres-rw.readmission-data:5432/airflow" in secrets["airflow", "airflow-keys"]["connection"]


def test_the_operators_postgres_is_valid_by_its_own_definition(upstream: Path) -> None:
    by_name = {r.name: r for r in chartlib.releases("prod", **OPERATED)}
    archives = {name: charts.find_chart(by_name[name], upstream) for name in ("readmission-cnpg", "postgres-cluster")}
    if None in archives.values():
        pytest.skip("the charts of CloudNativePG are not in CHARTS_DIR")
    operator, cluster = (chartlib.render(by_name[name], Path(str(archive))) for name, archive in archives.items())
    problems: list[str] = []
    counts = charts.validate("postgres-cluster", cluster, chartlib.custom_schemas(operator), problems)
    assert problems == [] and counts["custom"] >= 1
    [spec] = [o["spec"] for o in cluster if o["kind"] == "Cluster"]
    assert spec["instances"] == 3 and spec["storage"]["size"] == "50Gi"
    assert spec["superuserSecret"] == {"name": "postgres-superuser"}
    assert spec["affinity"] == {"topologyKey": "kubernetes.io/hostname"}
    assert spec["postgresql"]["synchronous"] == {"method": "any", "number": 1, "dataDurability": "preferred"}
    assert {o["metadata"]["namespace"] for o in cluster} == {"readmission-data"}
