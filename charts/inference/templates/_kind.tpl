{{/* Kind of the workload: a StatefulSet where each pod keeps a volume of its own. */}}
{{- define "inference.kind" -}}
{{ ternary "StatefulSet" "Deployment" .Values.persistence.enabled }}
{{- end }}

{{/* Refuse a door of the API (`ingress` or `route`) that nobody guards. */}}
{{- define "inference.doors" -}}
{{- $keys := .root.Values.apiKeys }}
{{- if and (index .root.Values .door).enabled (not $keys.existingSecret) (not $keys.open) }}
{{- fail (printf "%s.enabled: without API keys, whoever reaches it gets predictions and may report outcomes. Name a Secret in apiKeys.existingSecret, or set apiKeys.open to true if something in front of it asks who it is." .door) }}
{{- end }}
{{- end }}
