"""The object store: a folder or S3, the same by both; real boto3 against moto's server."""

from pathlib import Path

import boto3
import pytest

from readmission.data import snapshots
from readmission.data.sources import open_source
from readmission.errors import UserError
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import objects, postgres
from tests.conftest import free_port


def check(store: objects.ObjectStore) -> None:
    assert not store.exists("a/b.bin")
    with pytest.raises(KeyError):
        store.get("a/b.bin")
    store.put("a/b.bin", b"one")
    store.put("a/b.bin", b"two")
    assert store.exists("a/b.bin")
    assert not store.exists("a/b")
    assert store.get("a/b.bin") == b"two"


def test_folder(tmp_path: Path) -> None:
    check(objects.FolderStore(tmp_path))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.bin"]


def test_s3(s3: str) -> None:
    check(objects.S3Store("s3://lake/some/prefix", s3))
    assert (
        boto3.client("s3", endpoint_url=s3).list_objects_v2(Bucket="lake")["Contents"][0]["Key"]
        == "some/prefix/a/b.bin"
    )


def test_s3_that_is_away_or_refuses_is_a_sentence(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"at http://127\.0\.0\.1:\d+ cannot be used: it refuses with NoSuchBucket\."):
        objects.S3Store("s3://nowhere", s3).put("a", b"one")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    away = objects.S3Store("s3://lake", f"http://127.0.0.1:{free_port()}")
    for ask in (
        lambda: away.put("a", b"one"),
        lambda: away.get("a"),
        lambda: away.keys("a/"),
        lambda: away.exists("a"),
    ):
        with pytest.raises(UserError, match=r"cannot be reached \(EndpointConnectionError\)"):
            ask()


def test_the_clean_snapshot_is_the_same_from_a_folder_and_from_s3(database: Settings, sample: Path, s3: str) -> None:
    config = database.replace(source=str(sample), object_store="s3://lake/clean", s3_endpoint=s3)
    ingest.run(config, every=True)
    process.run(config)
    snapshot = snapshots.find(config)
    frame = snapshot.frame()
    folder = config.replace(object_store="")
    with postgres.transaction(config, "process") as cursor:
        cursor.execute("SELECT snapshot FROM clean.batches")
        key = cursor.fetchone()[0]
    objects.objects(folder).put(key, objects.objects(config).get(key))
    again = snapshots.find(folder)
    assert again.sha256 == snapshot.sha256
    assert again.frame().equals(frame)


def test_the_data_may_lie_in_s3(sample: Path, s3: str) -> None:
    objects.S3Store("s3://lake/source", s3).put("data.csv", sample.read_bytes())
    config = Settings(s3_endpoint=s3, source="s3://lake/source/data.csv")
    assert open_source(config).sha256 == open_source(Settings(source=str(sample))).sha256
    with pytest.raises(UserError, match=r"s3://lake/source/other\.csv: there is no such object"):
        open_source(config, "s3://lake/source/other.csv")
