"""POST /fhir/RiskAssessment: a FHIR R4 Bundle in, a RiskAssessment out."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from readmission.fhir.assessment import operation_outcome, risk_assessment
from readmission.fhir.resources import Issue, NotUsableError, read_bundle
from serving import http, metrics
from serving.predict.encounter import Invalid
from serving.routes.clinical import Clinical

PATH = "/fhir/RiskAssessment"
#: Probabilities are encoded digit by digit, so that none is rounded.
_encode = msgspec.json.Encoder(decimal_format="number").encode


class FhirResponse(Response):
    """Answer in FHIR's JSON."""

    media_type = "application/fhir+json"

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return _encode(content)


class RiskAssessments:
    """Route POST /fhir/RiskAssessment.

    Args:
        clinical: Predictions for record systems.
    """

    def __init__(self, clinical: Clinical) -> None:
        self._clinical = clinical

    async def answer(self, request: Request) -> Response:
        """Answer one Bundle: 200, 400 if it is none, 422 if it cannot be used."""
        await self._clinical.admit()
        body = await http.whole_body(request.receive, self._clinical.max_body)
        try:
            mapped = self._clinical.map(read_bundle(body))
            estimate = await self._clinical.estimate(mapped, "fhir", http.request_id(request.headers.raw))
        except NotUsableError as error:
            return _refusal(error.issues)
        except Invalid as invalid:
            return _refusal([Issue("value", problem.field, problem.allowed) for problem in invalid.problems])
        return FhirResponse(risk_assessment(estimate, mapped))


def _refusal(issues: Sequence[Issue]) -> Response:
    is_structure = any(issue.code == "structure" for issue in issues)
    metrics.rejected.labels("fhir").inc()
    return FhirResponse(operation_outcome(issues), 400 if is_structure else 422)
