"""Records of the prediction log."""

import struct

import msgspec

_DOUBLES = struct.Struct("<3d")


class Discharge(msgspec.Struct, array_like=True, kw_only=True, frozen=True):
    """What a record system says of a prediction's patient. The order of the fields is that of stored segments.

    Attributes:
        source: ``encounter-discharge``, ``patient-view`` or ``fhir``.
        patient: Reference to the FHIR Patient.
        stay: Reference to the FHIR Encounter.
        discharged_on: ISO date of the discharge; empty while there is none.
        columns: Columns of the encounter by where their values come from.
    """

    source: str
    patient: str
    stay: str
    discharged_on: str
    columns: dict[str, list[str]]


class Entry(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """Record of one answer. The order of the fields is that of stored segments.

    Attributes:
        prediction_id: UUID.
        moment: Milliseconds since 1970.
        model: Name of the model.
        version: Version of the model.
        variant: ``champion``, ``challenger`` or ``shadow``.
        inputs: The request's JSON object, as it was sent.
        probabilities: In the order of `contract.CLASSES`.
        latency: Seconds.
        request_id: The client's, or the prediction's id.
        discharge: What a record system says of the patient; None for other requests.
        client: Name of the API key; empty if none was needed.
        route: Path of the route. On `/explain` there is no prediction, only an access.
    """

    prediction_id: str
    moment: int
    model: str
    version: str
    variant: str
    inputs: bytes
    probabilities: tuple[float, float, float]
    latency: float
    request_id: str
    discharge: Discharge | None = None
    client: str = ""
    route: str = "/predict"


class Block(msgspec.Struct, kw_only=True, gc=False):
    """Record of many answers of one request; a frame of its own. The fields' names are those of stored segments.

    Attributes:
        prediction_ids: One per answer.
        inputs: JSON array of the encounters.
        probabilities: Three little-endian doubles per answer.
        request_id: The client's; empty means the id of each prediction.
        client: Name of the API key; empty if none was needed.
    """

    prediction_ids: list[str]
    moment: int
    model: str
    version: str
    variant: str
    inputs: bytes
    probabilities: bytes
    latency: float
    request_id: str
    client: str = ""

    def entries(self) -> list[Entry]:
        """Return the answers one by one."""
        encounters = msgspec.json.decode(self.inputs, type=list[msgspec.Raw])
        rows = zip(self.prediction_ids, encounters, _DOUBLES.iter_unpack(self.probabilities), strict=True)
        return [
            Entry(
                prediction_id=prediction_id,
                moment=self.moment,
                model=self.model,
                version=self.version,
                variant=self.variant,
                inputs=bytes(raw),
                probabilities=probabilities,
                latency=self.latency,
                request_id=self.request_id or prediction_id,
                client=self.client,
                route="/predict_batch",
            )
            for prediction_id, raw, probabilities in rows
        ]
