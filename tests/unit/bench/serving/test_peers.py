"""The services of the comparison get the same rows."""

import msgspec

from bench.serving import subject
from bench.serving.peers import BY_NAME, PEERS
from readmission import contract


def test_every_service_is_asked_the_same_complete_rows() -> None:
    records = subject.requests("", 3)[:5]
    assert all(tuple(record) == contract.FEATURE_NAMES for record in records)
    split = msgspec.json.decode(BY_NAME["mlflow"].single[1](records))["dataframe_split"]
    assert [str(v).removesuffix(".0") for v in split["data"][0]] == [str(v) for v in records[0].values()]
    for peer in PEERS:
        for _, body in filter(None, (peer.single, peer.many)):
            assert b"\n" not in body(records), "one request a line"
