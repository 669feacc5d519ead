"""Not a DAG: loads the Kubernetes client once instead of in every parse.

The dag processor imports the Airflow modules that a file of this folder names at its top level before it forks the
process that parses the file; the client takes a second, which every parse of every file would take otherwise.
"""

import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401
