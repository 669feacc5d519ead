"""Records of the log keep the form in which they are stored."""

import struct

import msgspec

from serving.prediction_log.entries import Block, ClinicalEntry, Discharge, Entry

#: MessagePack written by version 0.1.0: a list of one entry, and a block of one answer.
OLD_ENTRIES = bytes.fromhex(
    "9199a469642d3101a16da131a86368616d70696f6ec4117b22616765223a20225b302d313029227d93cb3fb999999999999acb3fc99999"
    "9999999acb3fe6666666666666cb3f50624dd2f1a9fca172"
)
OLD_BLOCK = bytes.fromhex(
    "89ae70726564696374696f6e5f69647391a161a66d6f6d656e7401a56d6f64656ca16da776657273696f6ea131a776617269616e74a863"
    "68616d70696f6ea6696e70757473c4095b7b2278223a317d5dad70726f626162696c6974696573c4189a9999999999b93f9a9999999999"
    "c93f666666666666e63fa76c6174656e6379cb3fe0000000000000aa726571756573745f6964a0"
)


def entry(**changes: object) -> Entry:
    fields: dict[str, object] = {
        "prediction_id": "id-1",
        "moment": 1,
        "model": "m",
        "version": "1",
        "variant": "champion",
        "inputs": b'{"age": "[0-10)"}',
        "probabilities": (0.1, 0.2, 0.7),
        "latency": 0.001,
        "request_id": "r",
    }
    return Entry(**(fields | changes))  # type: ignore[arg-type]


def block() -> Block:
    return Block(
        prediction_ids=["a"],
        moment=1,
        model="m",
        version="1",
        variant="champion",
        inputs=b'[{"x":1}]',
        probabilities=struct.pack("<3d", 0.1, 0.2, 0.7),
        latency=0.5,
        request_id="",
    )


def test_entries_and_blocks_are_stored_as_before() -> None:
    assert msgspec.msgpack.encode([entry()]) == OLD_ENTRIES
    assert msgspec.msgpack.encode(block()) == OLD_BLOCK
    assert msgspec.msgpack.decode(OLD_ENTRIES, type=list[Entry]) == [entry()]


def test_a_block_has_an_entry_for_each_answer_and_ids_for_request_ids() -> None:
    (only,) = block().entries()
    assert only == entry(prediction_id="a", inputs=b'{"x":1}', latency=0.5, request_id="a")


def test_a_discharge_is_one_field_more_that_older_code_ignores() -> None:
    discharge = Discharge(
        source="fhir", patient="Patient/1", stay="Encounter/1", discharged_on="", columns={"sent": []}
    )
    clinical = ClinicalEntry(**msgspec.structs.asdict(entry()), discharge=discharge)
    stored = msgspec.msgpack.encode([clinical, entry()])
    first, second = msgspec.msgpack.decode(stored, type=list[ClinicalEntry])
    assert (first.discharge, second.discharge) == (discharge, None)
    assert msgspec.msgpack.decode(stored, type=list[Entry]) == [entry(), entry()]
