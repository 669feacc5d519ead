"""What the pods that `make preflight` starts say of images and network policies."""

from typing import Any

import chartlib
import pytest
from preflight_cluster import Cluster, Finding
from preflight_trials import images, pod, policies, pulled


class Answering(Cluster):
    """A cluster whose pods have one state, and whose asking pods print what a network plugin lets them."""

    def __init__(self, status: dict[str, Any] | None = None, *, enforced: bool = True) -> None:
        self.status, self.enforced = status or {}, enforced
        self.applied: list[dict[str, Any]] = []

    def run(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        if arguments[0] == "logs":
            return 0, "closed" if self.enforced and arguments[-1].endswith("closed") else "open"
        return 0, "10.0.0.1"

    def apply(self, *items: dict[str, Any]) -> None:
        self.applied += items

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        return [{"status": {"containerStatuses": [self.status]}}]


NEEDS = {"values": chartlib.state("dev"), "images": ["registry/pipeline:1", "registry/demo:1"]}
WAITING = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}}


def test_an_image_that_cannot_be_pulled_is_named_with_the_reason() -> None:
    [finding] = images(Answering(WAITING), NEEDS)
    assert finding.level == "FAIL" and "2 of 2 cannot be pulled" in finding.text
    assert "registry/pipeline:1 (no such host)" in finding.text


def test_an_image_counts_as_there_whatever_its_command_did() -> None:
    ended = {"state": {"terminated": {"exitCode": 127}}, "imageID": "sha256:1"}
    assert list(images(Answering(ended), NEEDS)) == [Finding("ok", "images", "2 images can be pulled")]
    assert pulled(Answering({"state": {"waiting": {"reason": "ContainerCreating"}}}), "x") == ""


@pytest.mark.parametrize(("enforced", "level"), [(True, "ok"), (False, "warn")])
def test_policies_are_judged_by_what_they_stop(enforced: bool, level: str) -> None:
    cluster = Answering(enforced=enforced)
    [finding] = policies(cluster, NEEDS)
    assert finding.level == level
    assert [o["kind"] for o in cluster.applied] == ["NetworkPolicy", "Pod", "Pod", "Pod", "Pod"]


def test_pods_are_restricted_and_pull_with_the_secrets_of_the_cluster() -> None:
    values = chartlib.state("dev", cluster={"pullSecrets": ["registry"]})
    spec = pod("a", "i", values, ["true"])["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["imagePullSecrets"] == [{"name": "registry"}]
