"""Which logged predictions are about patients.

A caller marks the others by the prefix of its `x-request-id`: health probes, load tests and the demo page do so. A
client that uses such a prefix for patients hides them from monitoring; docs/monitoring.md says so.
"""

#: Patterns of the request ids of everything that is not about a patient, for SQL: `request_id NOT LIKE ALL (...)`.
NOT_PATIENTS = ("probe-%", "load-%", "demo-%")
