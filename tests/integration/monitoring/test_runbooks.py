"""Runbooks: each command names what is really there; what is asked of the database is answered by it."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from readmission.settings import Settings

ROOT = Path(__file__).parents[3]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))

sys.path.insert(0, str(ROOT / "scripts"))

import chartlib  # noqa: E402

#: What the charts of others bring, as their templates and our values name it.
OTHERS = {
    ("readmission-data", "statefulset/postgres"),  # bitnami/postgresql, fullnameOverride
    ("readmission-data", "pod/postgres-0"),
    ("readmission-data", "pvc/data-postgres-0"),
    ("airflow", "statefulset/airflow-scheduler"),  # apache-airflow, LocalExecutor with a volume for its logs
}
SHORT = {"deploy": "deployment", "deployments": "deployment", "sts": "statefulset"}
#: Verbs of kubectl whose first argument is a pod when it has no "/".
OF_PODS = {"exec", "logs"}


def blocks() -> Iterator[tuple[str, str]]:
    for page in RUNBOOKS:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.S):
            yield page.stem, block


BLOCKS = list(blocks())


def lines() -> list[tuple[str, str]]:
    """Return (page, command): continued lines joined, what a here-document feeds left out."""
    commands = []
    for page, block in BLOCKS:
        text = re.sub(r"<<'SQL'\n.*?\nSQL", "", block, flags=re.S).replace("\\\n", " ")
        commands += [(page, line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return commands


#: Namespaces, (namespace, kind/name), (namespace, labels of pods).
Installation = tuple[set[str], set[tuple[str, str]], list[tuple[str, dict[str, str]]]]


@pytest.fixture(scope="module")
def installation() -> Installation:
    """Give the namespaces, the (namespace, kind/name) and the (namespace, labels of pods) of our charts."""
    chartlib.build_dependencies()
    objects = [o for r in chartlib.releases("dev") if r.ours for o in chartlib.render(r, chartlib.ROOT / r.chart)]
    namespaces = {o["metadata"]["name"] for o in objects if o["kind"] == "Namespace"}
    names = {(o["metadata"].get("namespace", ""), f"{o['kind'].lower()}/{o['metadata']['name']}") for o in objects}
    pods = [
        (o["metadata"]["namespace"], o["spec"]["template"]["metadata"]["labels"])
        for o in objects
        if o["kind"] == "Deployment"
    ]
    # Pods that Airflow starts: pipelines/dags/step.py.
    steps = [("pipelines", {"readmission/step": verb}) for verb in ("ingest", "process", "train", "promote")]
    return namespaces, names | OTHERS, pods + steps


def test_every_command_can_be_read_by_a_shell() -> None:
    assert len(lines()) > 50
    for page, block in BLOCKS:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{page}: {done.stderr}"


def test_kubectl_and_helm_name_what_the_charts_make(installation: Installation) -> None:
    namespaces, names, pods = installation
    checked = 0
    for page, line in lines():
        arguments = shlex.split(line.partition(" | ")[0].partition(" #")[0].partition(" > ")[0])
        if arguments[0] not in ("kubectl", "helm"):
            continue
        checked += 1
        if "-n" not in arguments:
            assert "-A" in arguments, f"{page}: {line}"
            continue
        namespace = arguments[arguments.index("-n") + 1]
        assert namespace in namespaces, f"{page}: {line}"
        if arguments[0] == "helm":
            assert arguments[-1] in {r.name for r in chartlib.releases("dev") if r.namespace == namespace}, (
                f"{page}: {line}"
            )
            continue
        del arguments[arguments.index("-n") : arguments.index("-n") + 2]
        verb, rest = arguments[1], arguments[2 : arguments.index("--")] if "--" in arguments else arguments[2:]
        if verb == "create":  # a job, from a cronjob; later lines may name it
            names.add((namespace, f"{rest[0]}/{rest[1]}"))
            rest = [word.removeprefix("--from=") for word in rest]
        objects = {word for word in rest if "/" in word and not {"=", "$"} & set(word) and not word.startswith("-")}
        if verb in OF_PODS and not objects and "-l" not in rest and "$(" not in line:
            objects = {f"pod/{next(word for word in rest if not word.startswith('-'))}"}
        if verb == "patch":
            objects = {f"{rest[0]}/{rest[1]}"}
        for name in objects - {"pod/POD"}:
            kind, _, own = name.partition("/")
            assert (namespace, f"{SHORT.get(kind, kind)}/{own}") in names, f"{page}: {line}"
        if "-l" in rest:
            key, _, value = rest[rest.index("-l") + 1].partition("=")
            assert any(ns == namespace and labels.get(key) == value for ns, labels in pods), f"{page}: {line}"
    assert checked > 40


def queries() -> list[tuple[str, str]]:
    return [
        (page, query)
        for page, block in BLOCKS
        for text in re.findall(r"<<'SQL'\n(.*?)\nSQL", block, re.S)
        for query in filter(str.strip, text.split(";"))
    ]


def test_every_psql_has_its_query_in_a_here_document() -> None:
    assert sum(block.count("psql") for _, block in BLOCKS) == sum(block.count("<<'SQL'") for _, block in BLOCKS) > 1


@pytest.mark.parametrize(("page", "query"), queries())
def test_the_database_answers(page: str, query: str, database: Settings) -> None:
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=database.postgres.port,
        dbname=database.postgres.database,
        user="postgres",
        password=database.password("admin"),
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        cursor.fetchall()
    connection.close()


def test_the_dags_that_are_named_are_there() -> None:
    folder = ROOT / "pipelines" / "dags"
    for page in RUNBOOKS:
        for name in re.findall(
            r"readmission_(?:ingest|process|train|promote|monitor|rollback|backfill)", page.read_text()
        ):
            assert (folder / f"{name}.py").is_file(), f"{page.name}: {name}"
