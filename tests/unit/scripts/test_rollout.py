"""What ends a sync and what does not, by what kubectl says of Deployments, StatefulSets and pods."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rollout import READY_WITH, ROLLOUT, RolloutError, Watch

SCRIPT = Path(__file__).parents[3] / "scripts/rollout.py"
LABELS = {"app.kubernetes.io/instance": "readmission", "app.kubernetes.io/component": "inference"}
READY = {"started": True, "state": {"running": {}}}
STARTING = {"started": False, "state": {"waiting": {"reason": "ContainerCreating"}}}
PULLING = {"started": False, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling x:no"}}}
CRASHING = {
    "started": False,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}},
    "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
}
TEXTS = {READY_WITH: "a promoted model", ROLLOUT: "unwatched"}
Item = dict[str, Any]


def deployment(ready: int = 1, updated: int = 1, total: int = 1, annotation: str = "") -> Item:
    """A Deployment at its second version."""
    notes = {"deployment.kubernetes.io/revision": "2"} | ({annotation: TEXTS[annotation]} if annotation else {})
    return {
        "kind": "Deployment",
        "metadata": {"name": "inference", "uid": "d", "generation": 2, "annotations": notes},
        "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}},
        "status": {
            "observedGeneration": 2,
            "replicas": total,
            "updatedReplicas": updated,
            "availableReplicas": ready,
        },
    }


def replicas(revision: int) -> Item:
    """The ReplicaSet of a version of it."""
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"inference-{revision}",
            "labels": LABELS | {"pod-template-hash": f"v{revision}"},
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d"}],
        },
    }


def pod(revision: int, status: Item, **more: Any) -> Item:
    """A pod of a version of it."""
    return {
        "kind": "Pod",
        "metadata": {"name": f"inference-{revision}-a", "labels": LABELS | {"pod-template-hash": f"v{revision}"}},
        "status": {"containerStatuses": [status]} | more,
    }


SETS = [replicas(1), replicas(2)]
#: An update whose new pod is there and not ready, while the one of before answers.
UPDATING = [deployment(ready=1, updated=1, total=2), *SETS, pod(1, READY)]


def test_a_workload_that_is_replaced_and_ready_is_done() -> None:
    assert Watch(60, 600).judge([deployment(), *SETS, pod(2, READY)]) == {"inference": "1 of 1 ready"}


def test_what_the_controller_has_not_seen_yet_is_not_done() -> None:
    item = deployment()
    item["metadata"]["generation"] = 3
    assert Watch(60, 600).judge([item, *SETS, pod(2, READY)]) is None


def test_an_image_that_cannot_be_pulled_ends_it_once_the_patience_is_over() -> None:
    items = [*UPDATING, pod(2, PULLING)]
    assert Watch(60, 600).judge(items) is None
    with pytest.raises(RolloutError, match=r"pod inference-2-a waits: ImagePullBackOff \(Back-off pulling x:no\)"):
        Watch(0, 600).judge(items)


def test_a_container_that_crashes_is_named_with_its_exit_code() -> None:
    items = [*UPDATING, pod(2, CRASHING)]
    with pytest.raises(
        RolloutError, match=r"CrashLoopBackOff \(Error, exit code 3\)\. 1 earlier pod of it still answers"
    ):
        Watch(0, 600).judge(items)


def test_so_is_one_that_prepares_the_pod() -> None:
    with pytest.raises(RolloutError, match="CrashLoopBackOff"):
        Watch(0, 600).judge([*UPDATING, pod(2, STARTING, initContainerStatuses=[CRASHING])])


def test_a_broken_pod_of_an_earlier_version_is_no_reason() -> None:
    """A sync that puts it right would fail for what it replaces."""
    items = [deployment(ready=0, updated=1, total=2), *SETS, pod(1, PULLING), pod(2, STARTING)]
    assert Watch(0, 600).judge(items) is None


def test_without_a_model_a_first_api_needs_only_to_have_started() -> None:
    first = deployment(ready=0, annotation=READY_WITH)
    assert Watch(60, 600).judge([first, *SETS, pod(2, STARTING)]) is None
    assert Watch(60, 600).judge([first, *SETS, pod(2, READY)]) == {"inference": "started; ready with a promoted model"}


def test_where_one_answers_the_new_one_must_become_ready() -> None:
    item = deployment(ready=1, updated=1, total=2, annotation=READY_WITH)
    assert Watch(60, 600).judge([item, *SETS, pod(1, READY), pod(2, READY)]) is None


def test_a_part_that_waits_for_nothing_must_become_ready() -> None:
    assert Watch(60, 600).judge([deployment(ready=0), *SETS, pod(2, READY)]) is None


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ([{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu."}], "Insufficient cpu"),
        ([{"type": "Ready", "status": "False"}], "inference-2-a is not ready: ContainerCreating"),
    ],
)
def test_what_does_not_move_ends_with_what_it_waits_for(conditions: list[Item], reason: str) -> None:
    with pytest.raises(RolloutError, match=rf"{reason}.*nothing has changed for 0 s"):
        Watch(60, 0).judge([*UPDATING, pod(2, STARTING, conditions=conditions)])


def test_pods_that_are_refused_are_explained() -> None:
    item = deployment(ready=1, updated=0)
    item["status"]["conditions"] = [{"type": "ReplicaFailure", "message": "exceeded quota"}]
    with pytest.raises(RolloutError, match="exceeded quota"):
        Watch(60, 0).judge([item, *SETS, pod(1, READY)])


def test_a_statefulset_is_judged_by_its_revision() -> None:
    item = deployment()
    item |= {"kind": "StatefulSet", "status": item["status"] | {"updateRevision": "v2", "readyReplicas": 0}}
    new = pod(2, PULLING)
    new["metadata"]["labels"]["controller-revision-hash"] = "v2"
    with pytest.raises(RolloutError, match="ImagePullBackOff"):
        Watch(0, 600).judge([item, new])
    item["status"]["readyReplicas"] = 1
    assert Watch(0, 600).judge([item, new]) == {"inference": "1 of 1 ready"}


def test_what_load_adds_beyond_the_minimum_is_not_waited_for() -> None:
    """A small cluster may have no room for it; an update would fail for the load of that moment."""
    item = deployment(ready=1, updated=3, total=3)
    item["spec"]["replicas"] = 3
    items = [item, *SETS, pod(2, READY)]
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "inference"},
        "spec": {"minReplicas": 1, "scaleTargetRef": {"name": "inference"}},
    }
    assert Watch(60, 600).judge(items) is None
    assert Watch(60, 600).judge([*items, scaler]) == {"inference": "1 of 3 ready"}
    item["status"]["replicas"] = 4  # one of before is still there
    assert Watch(60, 600).judge([*items, scaler]) is None


def test_what_ends_by_design_is_not_watched() -> None:
    assert Watch(0, 600).judge([deployment(ready=0, annotation=ROLLOUT), *SETS, pod(2, CRASHING)]) == {}


def run(tmp_path: Path, looks: list[list[Item]], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a kubectl that gives these looks, the last one for ever; none: it fails."""
    kubectl = tmp_path / "kubectl"
    (tmp_path / "looks").write_text("\n".join(json.dumps({"items": items}) for items in looks))
    kubectl.write_text(
        "#!/bin/sh\ncd $(dirname $0)\n"
        '[ "$*" = "--context=test get deployments,statefulsets,replicasets,pods,horizontalpodautoscalers'
        ' --namespace a-readmission --selector app.kubernetes.io/instance=readmission -o json" ] ||'
        ' { echo "unexpected: $*" >&2; exit 9; }\n'
        '[ -s looks ] || { echo "no such host" >&2; exit 1; }\n'
        "head -n 1 looks\n"
        '[ "$(wc -l < looks)" = 0 ] || sed -i 1d looks\n'
    )
    kubectl.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, str(SCRIPT), *options, "test", "a-readmission", "readmission"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_script_waits_and_says_how_each_ended(tmp_path: Path) -> None:
    done = run(tmp_path, [[*UPDATING, pod(2, STARTING)], [deployment(), *SETS, pod(2, READY)]])
    assert (done.returncode, done.stdout, done.stderr) == (0, "inference: 1 of 1 ready\n", "")


def test_the_script_fails_with_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, [[*UPDATING, pod(2, PULLING)]], "--patience", "1")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("inference was not replaced: the pod inference-2-a waits: ImagePullBackOff")


def test_a_cluster_that_does_not_answer_is_no_success(tmp_path: Path) -> None:
    done = run(tmp_path, [])
    assert done.returncode == 1 and "no such host" in done.stderr and "Traceback" not in done.stderr


def test_nothing_installed_is_nothing_to_wait_for(tmp_path: Path) -> None:
    assert run(tmp_path, [[]]).returncode == 0
