"""Records of the log keep the form in which they are stored."""

import struct

import msgspec

from serving.prediction_log.entries import Block, Discharge, Entry

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


def test_entries_and_blocks_of_earlier_versions_are_read() -> None:
    assert msgspec.msgpack.decode(OLD_ENTRIES, type=list[Entry]) == [entry()]
    assert msgspec.msgpack.decode(OLD_BLOCK, type=Block) == block()


def test_fields_only_come_after_those_that_earlier_versions_read() -> None:
    old = msgspec.msgpack.decode(OLD_ENTRIES)[0]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([entry()]))[0][: len(old)] == old
    assert {**msgspec.msgpack.decode(OLD_BLOCK), "client": ""} == msgspec.msgpack.decode(
        msgspec.msgpack.encode(block())
    )


def test_a_block_has_an_entry_for_each_answer_and_ids_for_request_ids() -> None:
    (only,) = block().entries()
    assert only == entry(prediction_id="a", inputs=b'{"x":1}', latency=0.5, request_id="a", route="/predict_batch")


def test_a_discharge_is_the_tenth_field() -> None:
    discharge = Discharge(
        source="fhir", patient="Patient/1", stay="Encounter/1", discharged_on="", columns={"sent": []}
    )
    stored = msgspec.msgpack.encode([entry(discharge=discharge), entry()])
    assert msgspec.msgpack.decode(stored, type=list[Entry]) == [entry(discharge=discharge), entry()]
    ten = msgspec.msgpack.encode([[*msgspec.msgpack.decode(stored)[0][:10]]])
    assert msgspec.msgpack.decode(ten, type=list[Entry]) == [entry(discharge=discharge)]
