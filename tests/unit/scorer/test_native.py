"""LightGBM's text, split by output."""

from readmission.scorer import native

MODEL = (
    b"tree\nnum_class=2\nnum_tree_per_iteration=2\n"
    + b"".join(b"\nTree=%d\nleaf_value=%d\n" % (i, i) for i in range(10))
    + b"\nend of trees\n"
)


def test_the_parts_are_the_trees_of_the_last_output_and_no_other() -> None:
    parts = native.split(MODEL, outputs=2, count=3)
    leaves = [line for part in parts for line in part.splitlines() if line.startswith(b"leaf_value")]
    assert sorted(leaves) == [b"leaf_value=%d" % i for i in (1, 3, 5, 7, 9)]
    for part in parts:
        assert b"num_class=1\nnum_tree_per_iteration=1\n" in part
        assert part.count(b"\nTree=0\n") == 1 and part.endswith(b"\nend of trees\n")


def test_there_are_no_more_parts_than_trees() -> None:
    assert len(native.split(MODEL, outputs=2, count=50)) == 5
