"""Not a DAG: loads the Kubernetes client once instead of in every parse.

Before the DAG processor forks the process that parses a file, it imports the Airflow modules that the file imports at
its top level. Loading the client takes a second, which would otherwise be spent in every parse of every file.
"""

import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401
