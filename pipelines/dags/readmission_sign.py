"""Sign what was promoted before signatures were required, or under an earlier key, by hand.

**What** — `sign` signs every promoted version that is unsigned, and those of an earlier key that is still trusted. The
log names each, and the public key. Whoever runs it vouches for the unsigned versions as they are now.

**In** — the registry, `training.promotions`. **Out** — `signature.json` of each version. APIs follow within
`READMISSION_RELOAD_INTERVAL`.

**When it fails** — the last line of the task's log names a version whose signature is not valid: somebody has changed
it. Do not serve it; roll back to an earlier one.
"""

from airflow.sdk import DAG
from house import COMMON
from step import Step

with DAG(
    dag_id="readmission_sign",
    schedule=None,
    doc_md=__doc__,
    tags=["readmission", "model"],
    **COMMON,
):
    Step(task_id="sign")
