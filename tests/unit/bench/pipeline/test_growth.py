"""Growth: what has grown, per event."""

from bench.pipeline.growth import describe


def test_growth_is_divided_by_how_often_it_happened_and_sorted() -> None:
    before = {"tables of serving": 1_000_000, "logs": 500, "snapshots": 70}
    after = {"tables of serving": 4_000_000, "logs": 700, "snapshots": 70, "database mlflow": 600_000}
    lines = describe("1,000 predictions", before, after, 3)
    assert [line.split()[:-2] for line in lines[1:]] == [["tables", "of", "serving"], ["database", "mlflow"]]
    assert lines[1].endswith("1.000 MB")
