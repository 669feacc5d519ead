"""The one operator of these DAGs: `Step` runs `readmission <task_id> <arguments>`, in a pod or as a process.

Which of the two is the setting `runtime` (house.py); a DAG file does not know.
"""

import logging
import os
import shutil
from contextlib import contextmanager
from datetime import timedelta

from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from house import RUNTIME, SECTION, STEPS

log = logging.getLogger(__name__)

#: Exit code of a step that found nothing to do: the task is skipped, and nothing is told to what follows.
NOTHING_TO_DO = 99


def _own(kwargs):
    """Return one step's entry of steps.json, having set the task's timeout from it."""
    verb = kwargs["task_id"]
    if verb not in STEPS:
        raise AirflowConfigException(f"steps.json knows {', '.join(STEPS)}, but no step {verb!r}.")
    own = STEPS[verb]
    # The pod's own deadline comes first; this one also ends a wait for a pod that never starts.
    # A mapped task brings None.
    if kwargs.get("execution_timeout") is None:
        kwargs["execution_timeout"] = timedelta(seconds=own["deadline_seconds"] + 300)
    return own


def _pod(own):
    """Return what Pod Security "restricted" asks, a root filesystem that cannot be changed, and the step's size."""
    container = {
        "name": "base",
        "resources": own["resources"],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (an emptyDir)
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    user = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}}],
            "securityContext": user | {"seccompProfile": {"type": "RuntimeDefault"}},
        },
    }


@contextmanager
def _skipped_only_at_once(context):
    """Let a first attempt be skipped, and a later one succeed.

    An attempt that was lost after its work was done had no chance to tell those who wait for it; the retry finds
    nothing to do and tells them. They lose nothing: a step that finds nothing new is skipped itself.
    """
    try:
        yield
    except AirflowSkipException as nothing:
        if context["ti"].try_number == 1:
            raise
        log.info("%s An earlier attempt may have done it: what follows is told.", nothing)


def _given(arguments):
    """Leave out arguments that rendered to nothing: an optional param that was not given."""
    return [argument for argument in arguments if argument]


if RUNTIME == "kubernetes":
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.providers.cncf.kubernetes.secret import Secret

    class Step(KubernetesPodOperator):
        """Run one verb of `readmission` as a pod, with the house defaults."""

        def __init__(self, *, arguments=(), **kwargs):
            own = _own(kwargs)
            verb = kwargs["task_id"]
            house = {
                "name": f"readmission-{verb}",
                "namespace": conf.get(SECTION, "namespace", fallback="pipelines"),
                "image": conf.get(SECTION, "image"),
                "image_pull_policy": "IfNotPresent",
                "cmds": ["readmission", "--nothing-to-do", str(NOTHING_TO_DO), verb],
                "labels": {
                    "app.kubernetes.io/name": "readmission",
                    "app.kubernetes.io/component": "step",
                    "app.kubernetes.io/part-of": "readmission",
                    "app.kubernetes.io/managed-by": "airflow",
                    "readmission/step": verb,
                },
                # Common settings from one ConfigMap; of credentials, a step gets only those it needs, and from
                # Secrets alone: whoever may read a pod's specification sees no password.
                "configmaps": [conf.get(SECTION, "configmap", fallback="readmission-settings")],
                "secrets": [
                    Secret("env", variable, source["name"], source["key"])
                    for variable, source in own["secrets"].items()
                ],
                "env_vars": {"HOME": "/tmp", "READMISSION_HOME": "/tmp/readmission"},  # noqa: S108 (an emptyDir)
                "pod_template_dict": _pod(own),
                # A step talks to the database and MLflow, never to the cluster.
                "automount_service_account_token": False,
                # The sidecar would need another image and the right to exec; a step's output is in the stores.
                "do_xcom_push": False,
                # A worker that comes back finds its pod again instead of starting a second one.
                "durable": True,
                # Ends a step that hangs even when Airflow itself is gone.
                "active_deadline_seconds": own["deadline_seconds"],
                "startup_timeout_seconds": 600,  # the first pull of the image
                "startup_check_interval_seconds": 1,
                # With the log's end as termination message, the step's last sentence is in the task's error.
                "termination_message_policy": "FallbackToLogsOnError",
                "log_events_on_failure": True,
                # Pages of YAML that hide that sentence.
                "log_pod_spec_on_failure": False,
                "on_finish_action": "delete_pod",
                "skip_on_exit_code": NOTHING_TO_DO,
                # Waiting then needs no triggerer, which nothing else here needs either.
                "deferrable": False,
            }
            super().__init__(arguments=list(arguments), **(house | kwargs))

        def execute(self, context):
            """Run the pod to its end."""
            self.arguments = _given(self.arguments)
            with _skipped_only_at_once(context):
                super().execute(context)

elif RUNTIME == "local":
    from airflow.providers.standard.hooks.subprocess import SubprocessHook
    from airflow.sdk import BaseOperator

    class Step(BaseOperator):
        """Run one verb of `readmission` as a process in the steps' own environment."""

        template_fields = ("arguments",)

        def __init__(self, *, arguments=(), **kwargs):
            _own(kwargs)
            super().__init__(do_xcom_push=False, **kwargs)
            self.arguments = list(arguments)

        def execute(self, context):
            """Run the process to its end; its output is the task's log, its last line the error."""
            # Like a pod, it sees its settings and nothing of Airflow's.
            kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
            environment = {k: v for k, v in os.environ.items() if k in kept or k.startswith("READMISSION_")}
            # Where the system can: a worker that is killed takes its step along, as a node would.
            guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
            program = conf.get(SECTION, "command", fallback="readmission")
            command = [program, "--nothing-to-do", str(NOTHING_TO_DO), self.task_id, *_given(self.arguments)]
            self.hook = SubprocessHook()
            result = self.hook.run_command([*guard, *command], env=environment | {"PYTHONUNBUFFERED": "1"})
            if result.exit_code == NOTHING_TO_DO:
                with _skipped_only_at_once(context):
                    raise AirflowSkipException(result.output)
            elif result.exit_code:
                raise AirflowException(f"{self.task_id} exited with {result.exit_code}: {result.output}")

        def on_kill(self):
            """End the process when the task is stopped."""
            if hook := getattr(self, "hook", None):
                hook.send_sigterm()

else:
    raise AirflowConfigException(f"[{SECTION}] runtime is {RUNTIME!r}; allowed: kubernetes, local.")
