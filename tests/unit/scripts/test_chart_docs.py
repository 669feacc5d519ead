"""What the comments of values.yaml say of a key."""

import chart_docs
import pytest
import yaml

TEXT = """\
# -- How many.
# @schema {"minimum": 1}
replicas: 2
part:
  # -- Names.
  names: []
"""


def described(text: str) -> tuple[dict, list[chart_docs.Row]]:
    rows: list[chart_docs.Row] = []
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return chart_docs.describe(node, text.splitlines(), "", rows), rows


def test_comments_become_schema_and_rows() -> None:
    schema, rows = described(TEXT)
    assert schema["properties"]["replicas"] == {"type": "integer", "description": "How many.", "minimum": 1}
    assert schema["properties"]["part"]["additionalProperties"] is False
    assert [str(row) for row in rows] == [
        "| `replicas` | integer | `2` | How many. |",
        "| `part.names` | array | `[]` | Names. |",
    ]


def test_a_key_without_a_description_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"part\.b has no description"):
        described("part:\n  b: 1\n")
