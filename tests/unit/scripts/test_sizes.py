"""Requests, limits and volumes as they are summed from rendered objects."""

import sizes


def workload(kind: str, **spec: object) -> dict[str, object]:
    return {"kind": kind, "metadata": {"name": "a"}, "spec": spec}


POD = {
    "spec": {
        "containers": [
            {"resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}},
            {"resources": {"requests": {"cpu": 1}}},
        ]
    }
}
CLAIM = {"spec": {"resources": {"requests": {"storage": "8Gi"}}}}


def test_pods_count_with_their_replicas_and_volumes() -> None:
    totals = sizes.sizes([workload("StatefulSet", replicas=2, template=POD, volumeClaimTemplates=[CLAIM])])
    assert totals == {"pods": 2, "millicpu": 2500, "memory": 2 * 2**30, "limits": 4 * 2**30, "volumes": 16 * 2**30}


def test_an_autoscaler_counts_with_its_minimum_and_a_job_not_at_all() -> None:
    scaler = workload("HorizontalPodAutoscaler", minReplicas=3, scaleTargetRef={"name": "a"})
    assert sizes.sizes([scaler, workload("Deployment", template=POD), workload("Job", template=POD)])["pods"] == 3


def test_a_resource_of_the_operator_counts() -> None:
    prometheus = workload(
        "Prometheus",
        replicas=2,
        resources={"requests": {"cpu": "100m"}},
        storage={"volumeClaimTemplate": CLAIM},
    )
    assert sizes.sizes([prometheus]) == {"pods": 2, "millicpu": 200, "memory": 0, "limits": 0, "volumes": 16 * 2**30}
