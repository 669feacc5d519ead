{{/* Database URL. libpq reads the password from PGPASSWORD, so that it appears in no argument. */}}
{{- define "mlflow.backend" -}}
{{- $p := .Values.global.postgres -}}
postgresql+psycopg2://readmission_mlflow@{{ required "global.postgres.host: name the Postgres server" $p.host }}:{{ $p.port }}/{{ .Values.database.name }}
{{- end }}

{{/* Host headers to accept. MLflow answers 403 to others, as a protection against DNS rebinding. */}}
{{- define "mlflow.allowedHosts" -}}
{{- $n := include "common.fullname" . -}}
{{- /* Prometheus scrapes the pod by its IP address. */ -}}
{{- $hosts := list "$(POD_IP):*" "localhost" "localhost:*" "127.0.0.1:*" -}}
{{- range list $n (printf "%s.%s" $n .Release.Namespace) (printf "%s.%s.svc" $n .Release.Namespace) (printf "%s.%s.svc.cluster.local" $n .Release.Namespace) -}}
{{- $hosts = concat $hosts (list . (printf "%s:*" .)) -}}
{{- end -}}
{{- with .Values.ingress.host }}{{ $hosts = append $hosts . }}{{ end -}}
{{- with .Values.route.host }}{{ $hosts = append $hosts . }}{{ end -}}
{{- concat $hosts .Values.allowedHosts | join "," -}}
{{- end }}

{{/* Origins of the pages that may send changes: MLflow's own, as a browser names it. It answers 403 to others. */}}
{{- define "mlflow.allowedOrigins" -}}
{{- $origins := .Values.allowedOrigins -}}
{{- with .Values.ingress }}{{ if .host }}{{ $origins = append $origins (printf "%s://%s" (ternary "https" "http" (ne .tlsSecret "")) .host) }}{{ end }}{{ end -}}
{{- with .Values.route.host }}{{ $origins = append $origins (printf "https://%s" .) }}{{ end -}}
{{- join "," $origins -}}
{{- end }}

{{- define "mlflow.env" -}}
{{ include "common.secretEnv" (dict "name" "PGPASSWORD" "secret" .Values.database.existingSecret "key" .Values.database.key) }}
{{- with .Values.global.postgres.sslmode }}
- {name: PGSSLMODE, value: {{ . }}}
{{- end }}
- {name: HOME, value: /tmp}
- {name: MLFLOW_DISABLE_TELEMETRY, value: "true"}
- {name: MLFLOW_ENABLE_AI_GATEWAY, value: "false"}
- {name: MLFLOW_SERVER_ENABLE_JOB_EXECUTION, value: "false"}
{{- end }}
