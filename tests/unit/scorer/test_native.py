"""LightGBM's text, split by output."""

from readmission.scorer import native

MODEL = (
    b"tree\nnum_class=2\nnum_tree_per_iteration=2\n"
    + b"".join(b"\nTree=%d\nleaf_value=%d\n" % (i, i) for i in range(10))
    + b"\nend of trees\n"
)


def _leaves(part: bytes) -> list[int]:
    return [int(line[11:]) for line in part.splitlines() if line.startswith(b"leaf_value")]


def test_the_parts_are_the_trees_of_the_kept_output_and_no_other() -> None:
    parts = native.split(MODEL, outputs=2, kept=[1], count=3)
    assert [_leaves(part) for part in parts] == [[1, 7], [3, 9], [5]]
    for part in parts:
        assert b"num_class=1\nnum_tree_per_iteration=1\n" in part
        assert part.count(b"\nTree=0\n") == 1 and part.endswith(b"\nend of trees\n")


def test_several_kept_outputs_take_turns_in_each_part() -> None:
    parts = native.split(MODEL, outputs=5, kept=[0, 2, 3], count=4)
    assert [_leaves(part) for part in parts] == [[0, 2, 3], [5, 7, 8]]
    assert all(b"num_class=3\nnum_tree_per_iteration=3\n" in part for part in parts)


def test_there_are_no_more_parts_than_trees_of_an_output() -> None:
    assert len(native.split(MODEL, outputs=2, kept=[1], count=50)) == 5
