"""What the prediction log holds."""

import struct

import msgspec

_SHARES = struct.Struct("<3d")


class Entry(msgspec.Struct, array_like=True, gc=False):
    """Hold one answer.

    Attributes:
        prediction_id: UUID.
        moment: milliseconds since 1970.
        model: name of the model.
        version: of the model.
        variant: ``champion``, ``challenger`` or ``shadow``.
        inputs: the request's JSON object, as it came.
        probabilities: in the order of contract.CLASSES.
        latency: seconds.
        request_id: the client's or ours.
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


class Block(msgspec.Struct, gc=False):
    """Hold many answers of one request; a frame of its own.

    Attributes:
        prediction_ids: one an answer.
        inputs: JSON array of the encounters.
        probabilities: three little-endian doubles an answer.
        request_id: the client's or empty: each prediction's own.
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

    def entries(self) -> list[Entry]:
        """Return the answers one by one."""
        inputs = msgspec.json.decode(self.inputs, type=list[msgspec.Raw])
        rows = zip(self.prediction_ids, inputs, _SHARES.iter_unpack(self.probabilities), strict=True)
        return [
            Entry(
                name, self.moment, self.model, self.version, self.variant, bytes(given), shares, self.latency,
                self.request_id or name,
            )
            for name, given, shares in rows
        ]  # fmt: skip
