"""The embedded system's own list of record systems."""

import json
from pathlib import Path

from readmission.embedded import record_systems
from serving.clinic.clients import read_allow_list
from tests.conftest import make_settings


def test_the_list_begins_empty_and_holds_each_record_system_once(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    record_systems.ensure(settings)
    assert read_allow_list(record_systems.path(settings)) == ()
    for keys in ('{"keys": []}', '{"keys": [1]}'):
        record_systems.trust(settings, "sandbox", "urn:x", keys)
    record_systems.trust(settings, "ward", "urn:y", "{}")
    listed = read_allow_list(record_systems.path(settings))
    assert [(client.name, client.issuer) for client in listed] == [("sandbox", "urn:x"), ("ward", "urn:y")]
    assert json.loads((tmp_path / listed[0].jwks_file).read_text()) == {"keys": [1]}
    record_systems.ensure(settings)
    assert len(read_allow_list(record_systems.path(settings))) == 2


def test_a_list_and_a_url_of_a_persons_own_stay(tmp_path: Path) -> None:
    own = make_settings(tmp_path, cds_clients=tmp_path / "mine.json", cds_url="https://x.example.org/")
    assert record_systems.environment(own) == {}
    assert record_systems.url(own) == "https://x.example.org"
    ours = make_settings(tmp_path, api_port=18080)
    assert record_systems.environment(ours) == {
        "READMISSION_CDS_CLIENTS": str(tmp_path / "record-systems.json"),
        "READMISSION_CDS_URL": "http://127.0.0.1:18080",
    }
