"""Access log: rows of who asked about which patient. Whoever writes it may add to it and nothing else."""

from collections.abc import Sequence
from typing import Any

from psycopg2 import extras

_INSERT = """
INSERT INTO privacy.accesses (access_id, accessed_at, token, key_id, client, route, model_name, model_version,
  request_id) VALUES %s ON CONFLICT DO NOTHING"""
_ROW = """(%(access_id)s, %(accessed_at)s, %(token)s, %(key_id)s, %(client)s, %(route)s, %(model_name)s,
  %(model_version)s, %(request_id)s)"""


def add_accesses(cursor: Any, accesses: Sequence[dict[str, Any]]) -> None:
    """Store accesses; one that is stored already is skipped.

    Args:
        cursor: Of a role that may insert.
        accesses: Every column of `privacy.accesses` by name.
    """
    if accesses:
        extras.execute_values(cursor, _INSERT, accesses, template=_ROW, page_size=1000)
