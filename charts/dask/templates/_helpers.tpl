{{/* Environment of every process: TLS both ways, with one certificate. */}}
{{- define "dask.env" -}}
- {name: HOME, value: /tmp}
- {name: READMISSION_HOME, value: /tmp/state}
- {name: DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION, value: "True"}
- {name: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, value: /etc/readmission/dask/ca.crt}
{{- range $part := list "SCHEDULER" "WORKER" "CLIENT" }}
- {name: DASK_DISTRIBUTED__COMM__TLS__{{ $part }}__CERT, value: /etc/readmission/dask/tls.crt}
- {name: DASK_DISTRIBUTED__COMM__TLS__{{ $part }}__KEY, value: /etc/readmission/dask/tls.key}
{{- end }}
{{- end }}

{{- define "dask.mounts" -}}
- {name: tls, mountPath: /etc/readmission/dask, readOnly: true}
{{- end }}

{{- define "dask.volumes" -}}
{{- include "common.volumes" (merge (dict "volumes" (list (dict "name" "tls" "secret" (dict "secretName" .Values.tls.existingSecret)))) .) }}
{{- end }}
