{{/* Kind of the workload: a StatefulSet where each pod keeps a volume of its own. */}}
{{- define "inference.kind" -}}
{{ ternary "StatefulSet" "Deployment" .Values.persistence.enabled }}
{{- end }}
