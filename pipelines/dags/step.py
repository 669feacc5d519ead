"""The one operator of these DAGs: `Step` runs `readmission <task_id> <arguments>`, in a pod or as a process.

The setting `runtime` (house.py) chooses between the two. A DAG file is the same for both.
"""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from house import RESULT, RUNTIME, SECTION, STEPS

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: Exit code of a step that had nothing to do. The task is skipped, and the DAGs that wait for it are not started.
NOTHING_TO_DO = 99
#: Steps that leave nothing but their result, which the tasks after them need: without one they are always skipped.
ONLY_RESULT = {"judge"}
#: Where a pod's step writes its result: Kubernetes keeps up to 4 kB of this file with the ended pod.
TERMINATION_LOG = "/dev/termination-log"
#: Exit code of a step that refuses, such as a gate or a wrong option. Running the same again cannot help: no retry.
REFUSED = 2


def _configure(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Set the task's timeout by the step's entry in steps.json; return the entry."""
    verb = kwargs["task_id"]
    if verb not in STEPS:
        raise AirflowConfigException(f"steps.json has no step {verb!r}; it has: {', '.join(STEPS)}.")
    own: dict[str, Any] = STEPS[verb]
    # The pod's own deadline comes first. The timeout also ends a wait for a pod that never starts. In a mapped task it
    # is present and None.
    if kwargs.get("execution_timeout") is None:
        kwargs["execution_timeout"] = timedelta(seconds=own["deadline_seconds"] + 300)
    return own


def _labels(verb: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "readmission",
        "app.kubernetes.io/component": "step",
        "app.kubernetes.io/part-of": "readmission",
        "app.kubernetes.io/managed-by": "airflow",
        "readmission/step": verb,
    }


def _pod(own: dict[str, Any]) -> dict[str, Any]:
    """Return the pod: as Pod Security "restricted" requires, with a read-only root filesystem and the step's size.

    The settings `pod`, `ca_bundle` and `dask_tls` say what the cluster adds: placement, Secrets for pulling, user,
    trusted CAs, the certificate for Dask.
    """
    site = json.loads(conf.get(SECTION, "pod", fallback="{}"))
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 (an emptyDir)
    if bundle := conf.get(SECTION, "ca_bundle", fallback=""):
        volumes.append({"name": "ca", "configMap": {"name": bundle}})
        mounts.append({"name": "ca", "mountPath": "/etc/readmission/ca", "readOnly": True})
    if certificate := conf.get(SECTION, "dask_tls", fallback=""):
        volumes.append({"name": "dask", "secret": {"secretName": certificate}})
        mounts.append({"name": "dask", "mountPath": "/etc/readmission/dask", "readOnly": True})
    container = {
        "name": "base",
        "resources": own["resources"],
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    user = site.get("securityContext") or {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "volumes": volumes, "securityContext": user | restricted}
    return {"apiVersion": "v1", "kind": "Pod", "spec": site | spec}


def _secrets(own: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the step's Secrets by variable, without keys of the object store where the pod's account opens it."""
    keys = conf.getboolean(SECTION, "object_keys", fallback=True)
    return {variable: source for variable, source in own["secrets"].items() if keys or not variable.startswith("AWS_")}


@contextmanager
def _skipped_at_first_attempt(context: "Context") -> Iterator[None]:
    """Skip the task if its first attempt has nothing to do; let a later attempt succeed.

    An attempt that was lost after its work was done could not start the DAGs that wait for it. The retry has nothing to
    do and starts them. That does no harm, because a step without new data is skipped itself.
    """
    try:
        yield
    except AirflowSkipException as nothing:
        if context["ti"].try_number == 1 or context["ti"].task_id in ONLY_RESULT:
            raise
        log.info("%s An earlier attempt may have done the work, so the DAGs that wait for it are started.", nothing)


def _ended(pod: Any) -> Any:
    """Return how a pod's step ended, with exit code and message; None if it did not end by itself."""
    statuses = (pod.status.container_statuses if pod and pod.status else None) or []
    ended = [status.state.terminated for status in statuses if status.name == "base" and status.state]
    return ended[0] if ended else None


def _tell(context: "Context", outlets: Iterable[Any], text: str) -> None:
    """Keep a step's result, a reference of a few bytes, for the tasks after it and with the events of its assets."""
    try:
        result = json.loads(text)["result"]
    except (ValueError, KeyError, TypeError):
        return  # the step has none; the message is the end of its log
    context["ti"].xcom_push(key=RESULT, value=result)
    for asset in outlets:
        context["outlet_events"][asset].extra = {context["ti"].task_id: result}


def _without_empty(arguments: Iterable[str]) -> list[str]:
    """Leave out arguments that rendered to an empty text: optional parameters without a value."""
    return [argument for argument in arguments if argument]


if RUNTIME == "kubernetes":
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.providers.cncf.kubernetes.secret import Secret

    class Step(KubernetesPodOperator):
        """Operator that runs one verb of `readmission` as a pod, with the house defaults."""

        def __init__(self, *, arguments: Iterable[str] = (), **kwargs: Any) -> None:
            own = _configure(kwargs)
            verb = kwargs["task_id"]
            house = {
                "name": f"readmission-{verb}",
                "namespace": conf.get(SECTION, "namespace", fallback="pipelines"),
                "image": conf.get(SECTION, "image"),
                "image_pull_policy": conf.get(SECTION, "pull_policy", fallback="IfNotPresent"),
                "cmds": ["readmission", "--nothing-to-do", str(NOTHING_TO_DO), "--result", TERMINATION_LOG, verb],
                "labels": _labels(verb),
                # Common settings come from one ConfigMap. A step gets only the credentials it needs, and only from
                # Secrets: whoever may read a pod's specification sees no password.
                "configmaps": [conf.get(SECTION, "configmap", fallback="readmission-settings")],
                "secrets": [
                    Secret("env", variable, source["name"], source["key"]) for variable, source in _secrets(own).items()
                ],
                "env_vars": {"HOME": "/tmp", "READMISSION_HOME": "/tmp/readmission"},  # noqa: S108 (an emptyDir)
                "pod_template_dict": _pod(own),
                # A step connects to the database and MLflow, never to the cluster.
                "automount_service_account_token": False,
                # XCom's sidecar would need another image and the right to exec. A step's output is in the stores.
                "do_xcom_push": False,
                # A worker that restarts reattaches to its pod instead of starting a second one.
                "durable": True,
                # Ends a step that hangs even if Airflow itself is down.
                "active_deadline_seconds": own["deadline_seconds"],
                "startup_timeout_seconds": 600,  # the first pull of the image
                "startup_check_interval_seconds": 1,
                # The end of the log is the termination message, so that the task's error shows the step's last line.
                "termination_message_policy": "FallbackToLogsOnError",
                "log_events_on_failure": True,
                # The specification is pages of YAML that would hide that line.
                "log_pod_spec_on_failure": False,
                "on_finish_action": "delete_pod",
                "skip_on_exit_code": NOTHING_TO_DO,
                # Waiting without a triggerer: nothing else here needs one.
                "deferrable": False,
            }
            super().__init__(arguments=list(arguments), **(house | kwargs))

        def execute(self, context: "Context") -> None:
            """Run the pod to its end."""
            self.arguments = _without_empty(self.arguments)
            try:
                with _skipped_at_first_attempt(context):
                    super().execute(context)
            except AirflowSkipException:
                raise
            except AirflowException as error:
                ended = _ended(self.remote_pod)
                if ended and ended.exit_code == REFUSED:
                    raise AirflowFailException(str(error)) from error
                raise
            ended = _ended(self.remote_pod)
            _tell(context, self.outlets, ended.message if ended and ended.exit_code == 0 else "")

elif RUNTIME == "local":
    from airflow.providers.standard.hooks.subprocess import SubprocessHook
    from airflow.sdk import BaseOperator

    class Step(BaseOperator):  # type: ignore[no-redef] # one of the two, by the setting
        """Operator that runs one verb of `readmission` as a process in the steps' own environment."""

        template_fields = ("arguments",)

        def __init__(self, *, arguments: Iterable[str] = (), **kwargs: Any) -> None:
            _configure(kwargs)
            super().__init__(do_xcom_push=False, **kwargs)
            self.arguments = list(arguments)

        def execute(self, context: "Context") -> None:
            """Run the process to its end. Its output is the task's log, and its last line the task's error."""
            # Like a pod, the process sees its own settings and none of Airflow's.
            kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
            environment = {k: v for k, v in os.environ.items() if k in kept or k.startswith("READMISSION_")}
            # Where the system supports it, a worker that is killed takes its step along, as a node would.
            guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
            program = conf.get(SECTION, "command", fallback="readmission")
            options = ["--nothing-to-do", str(NOTHING_TO_DO), "--result"]
            self.hook = SubprocessHook()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "result"
                command = [*guard, program, *options, str(path), self.task_id, *_without_empty(self.arguments)]
                result = self.hook.run_command(command, env=environment | {"PYTHONUNBUFFERED": "1"})
                text = path.read_text() if path.exists() else ""
            if result.exit_code == NOTHING_TO_DO:
                with _skipped_at_first_attempt(context):
                    raise AirflowSkipException(result.output)
            elif result.exit_code == REFUSED:
                raise AirflowFailException(f"{self.task_id} refuses: {result.output}")
            elif result.exit_code:
                raise AirflowException(f"{self.task_id} exited with {result.exit_code}: {result.output}")
            _tell(context, self.outlets, text)

        def on_kill(self) -> None:
            """Terminate the process when the task is stopped."""
            if hook := getattr(self, "hook", None):
                hook.send_sigterm()

else:
    raise AirflowConfigException(f"[{SECTION}] runtime is {RUNTIME!r}; it must be kubernetes or local.")
