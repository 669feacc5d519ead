"""The operator: a pod as it would be created, and what happens when it fails."""

import http.server
import json
import logging
import sys
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from .conftest import FILES, attempt, configured, dags

PASSWORDS = {
    "ingest": {"READMISSION_POSTGRES_PASSWORD_INGEST"},
    "process": {"READMISSION_POSTGRES_PASSWORD_PROCESS"},
    "train": {"READMISSION_POSTGRES_PASSWORD_TRAIN"},
    "judge": {"READMISSION_POSTGRES_PASSWORD_TRAIN"},
    "promote": {"READMISSION_POSTGRES_PASSWORD_TRAIN"},
    "rollback": {"READMISSION_POSTGRES_PASSWORD_TRAIN"},
    "reload": set(),
    "score": {"READMISSION_POSTGRES_PASSWORD_SCORE"},
    **{verb: {"READMISSION_POSTGRES_PASSWORD_MONITOR"} for verb in ("monitor", "outcomes", "retrain")},
    **{verb: {"READMISSION_POSTGRES_PASSWORD_PRIVACY"} for verb in ("purge", "sign")},
}


def pods() -> list[tuple[str, Any]]:
    """Every step of every DAG as (verb, pod), as it would be sent to the cluster."""
    requests = []
    with dags(runtime="kubernetes") as by_id:
        for dag in by_id.values():
            for task in dag.tasks:
                if task.is_mapped:
                    task = task.unmap({"arguments": ["--models", "lightgbm"]})
                if hasattr(task, "build_pod_request_obj"):
                    requests.append((task.task_id, task.build_pod_request_obj(dry_run=True)))
    assert len(requests) >= len(FILES)
    return requests


@pytest.fixture(scope="module")
def built() -> list[tuple[str, Any]]:
    return pods()


def test_a_pod_runs_the_verb_in_the_stated_image_and_names_itself(built: list[tuple[str, Any]]) -> None:
    for verb, pod in built:
        (container,) = pod.spec.containers
        assert container.image == "registry.example/pipeline:0.1.0"
        assert container.command == ["readmission", "--nothing-to-do", "99", "--result", "/dev/termination-log", verb]
        assert pod.metadata.namespace == "pipelines"
        assert pod.metadata.name.startswith(f"readmission-{verb}-")
        labels = pod.metadata.labels
        assert labels["readmission/step"] == verb
        assert labels["app.kubernetes.io/part-of"] == "readmission"
        assert labels["app.kubernetes.io/component"] == "step"  # what the network policies name


def test_a_pod_may_do_nothing_but_its_step(built: list[tuple[str, Any]]) -> None:
    for _, pod in built:
        spec, (container,) = pod.spec, pod.spec.containers
        assert spec.automount_service_account_token is False
        assert spec.restart_policy == "Never"
        assert spec.security_context.run_as_non_root is True
        assert spec.security_context.run_as_user == 10001  # of images/pipeline
        assert spec.security_context.seccomp_profile.type == "RuntimeDefault"
        assert container.security_context.allow_privilege_escalation is False
        assert container.security_context.read_only_root_filesystem is True
        assert container.security_context.capabilities.drop == ["ALL"]
        assert [(m.name, m.mount_path) for m in container.volume_mounts] == [("tmp", "/tmp")]
        assert spec.volumes[0].empty_dir.size_limit
        assert not spec.host_network and not spec.init_containers


def test_a_pod_has_its_size_and_its_end(built: list[tuple[str, Any]]) -> None:
    for verb, pod in built:
        resources = pod.spec.containers[0].resources
        assert set(resources.requests) == {"cpu", "memory"}, verb
        assert "memory" in resources.limits, verb
        assert 60 <= pod.spec.active_deadline_seconds <= 3600
        assert pod.spec.containers[0].termination_message_policy == "FallbackToLogsOnError"


def test_credentials_come_from_secrets_and_are_the_steps_own(built: list[tuple[str, Any]]) -> None:
    for verb, pod in built:
        (container,) = pod.spec.containers
        plain = {e.name for e in container.env if e.value is not None}
        secret = {e.name for e in container.env if e.value_from and e.value_from.secret_key_ref}
        assert plain == {"HOME", "READMISSION_HOME"}, verb
        assert {name for name in secret if "POSTGRES" in name} == PASSWORDS[verb]
        assert [s.config_map_ref.name for s in container.env_from] == ["readmission-settings"]


def test_who_judges_reads_the_champions_keyed_visits_as_who_promotes_does(built: list[tuple[str, Any]]) -> None:
    keys = {v: {e.name for e in pod.spec.containers[0].env if e.name == "READMISSION_PATIENT_KEY"} for v, pod in built}
    assert keys["judge"] == keys["promote"] == keys["score"] == {"READMISSION_PATIENT_KEY"}


def test_who_writes_a_version_signs_it_and_no_other_step_has_the_key(built: list[tuple[str, Any]]) -> None:
    signs = {verb for verb, pod in built if "READMISSION_SIGNING_KEY" in {e.name for e in pod.spec.containers[0].env}}
    assert signs == {"promote", "sign"}


def test_sizes_and_secrets_can_be_overridden_for_one_step() -> None:
    override = {"train": {"deadline_seconds": 7200, "resources": {"limits": {"memory": "8Gi"}}}}
    with configured(runtime="kubernetes", steps=json.dumps(override)) as operator:
        pod = operator.Step(task_id="train").build_pod_request_obj(dry_run=True)
        other = operator.Step(task_id="process").build_pod_request_obj(dry_run=True)
        with pytest.raises(Exception, match="no step 'trian'"):
            operator.Step(task_id="trian")
    assert pod.spec.active_deadline_seconds == 7200
    assert pod.spec.containers[0].resources.limits == {"memory": "8Gi"}
    assert pod.spec.containers[0].resources.requests["cpu"]
    assert other.spec.containers[0].resources.limits != {"memory": "8Gi"}


@pytest.mark.parametrize(("code", "retried"), [(2, False), (1, True), (137, True)])
def test_a_pod_that_refuses_is_not_retried(code: int, retried: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    ended = SimpleNamespace(terminated=SimpleNamespace(exit_code=code))
    pod = SimpleNamespace(status=SimpleNamespace(container_statuses=[SimpleNamespace(name="base", state=ended)]))

    def execute(self: Any, context: Any) -> None:
        self.remote_pod = pod
        raise AirflowException("Pod returned a failure.")

    with configured(runtime="kubernetes") as operator:
        monkeypatch.setattr(KubernetesPodOperator, "execute", execute)
        with pytest.raises(AirflowException) as error:
            operator.Step(task_id="train").execute(attempt("ingest"))
    assert isinstance(error.value, AirflowFailException) is not retried


@pytest.mark.parametrize(
    ("message", "pushed"), [('{"step": "judge", "result": {"run_id": "a1"}}', {"run_id": "a1"}), ("a log line", None)]
)
def test_a_pods_result_is_its_termination_message(
    message: str, pushed: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    ended = SimpleNamespace(terminated=SimpleNamespace(exit_code=0, message=message))
    status = SimpleNamespace(container_statuses=[SimpleNamespace(name="base", state=ended)])

    def execute(self: Any, context: Any) -> None:
        self.remote_pod = SimpleNamespace(status=status)

    with configured(runtime="kubernetes") as operator:
        monkeypatch.setattr(KubernetesPodOperator, "execute", execute)
        operator.Step(task_id="judge").execute(context := attempt("judge"))
    assert context["ti"].pushed.get("result") == pushed


def test_a_failure_is_told_to_the_webhook_and_a_dead_webhook_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    got: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever).start()
    ti = SimpleNamespace(dag_id="readmission_train", task_id="train", map_index=3, try_number=4)
    context = {"ti": ti, "run_id": "manual", "exception": ValueError("no memory")}
    try:
        with configured(runtime="local", failure_webhook=f"http://127.0.0.1:{server.server_port}/x"):
            sys.modules["house"].tell_failure(context)
    finally:
        server.shutdown()
        server.server_close()
    assert got[0] | {"task_id": "train", "map_index": 3, "error": "no memory"} == got[0]
    with caplog.at_level(logging.ERROR):
        for url, message in [
            ("http://127.0.0.1:1/token", "could not be reached"),
            ("file:///etc/passwd", "not an http(s) URL"),
        ]:
            caplog.clear()
            with configured(runtime="local", failure_webhook=url):
                sys.modules["house"].tell_failure(context)
            assert message in caplog.text and "no memory" in caplog.text
            assert "token" not in caplog.text


def test_the_deadline_of_a_pod_comes_before_that_of_the_task() -> None:
    with configured(runtime="kubernetes") as operator:
        step = operator.Step(task_id="train")
        assert step.execution_timeout > timedelta(seconds=step.active_deadline_seconds)


def test_the_cluster_says_where_pods_run_as_whom_and_whom_they_trust() -> None:
    site = {
        "serviceAccountName": "step",
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "training"},
        "tolerations": [{"key": "training", "operator": "Exists"}],
        "securityContext": {"runAsNonRoot": True},
    }
    options = {"pod": json.dumps(site), "ca_bundle": "readmission-ca", "dask_tls": "dask-tls"}
    options |= {"object_keys": "false", "pull_policy": "Always"}
    with dags(runtime="kubernetes", **options) as by_id:
        task = by_id["readmission_ingest"].get_task("ingest")
        pod = task.build_pod_request_obj(dry_run=True)
    (container,) = pod.spec.containers
    assert pod.spec.service_account_name == "step" and pod.spec.node_selector == {"pool": "training"}
    assert [s.name for s in pod.spec.image_pull_secrets] == ["registry"]
    assert [t.key for t in pod.spec.tolerations] == ["training"]
    assert pod.spec.security_context.run_as_non_root and pod.spec.security_context.run_as_user is None
    assert pod.spec.security_context.seccomp_profile.type == "RuntimeDefault"
    assert [v.config_map.name for v in pod.spec.volumes if v.config_map] == ["readmission-ca"]
    assert [v.secret.secret_name for v in pod.spec.volumes if v.secret] == ["dask-tls"]
    assert {"/etc/readmission/ca", "/etc/readmission/dask"} <= {m.mount_path for m in container.volume_mounts}
    assert container.image_pull_policy == "Always"
    assert not [e.name for e in container.env if e.name.startswith("AWS_")]
