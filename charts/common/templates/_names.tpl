{{/* Name of a chart's objects. The release's name is not repeated if the chart is installed alone. */}}
{{- define "common.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- with .component }}{{ $name = printf "%s-%s" $name . }}{{ end -}}
{{- $name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Labels that select the pods of one component. They never change during a release's life. */}}
{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .component | default .Chart.Name }}
{{- end }}

{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/part-of: readmission
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Metadata of an object: name, namespace and labels. */}}
{{- define "common.metadata" -}}
name: {{ include "common.fullname" . }}
namespace: {{ .Release.Namespace }}
labels: {{- include "common.labels" . | nindent 2 }}
{{- end }}

{{/* Metadata of a Job that Helm runs before or after an install or upgrade. */}}
{{- define "common.hookMetadata" -}}
{{ include "common.metadata" . }}
annotations:
  helm.sh/hook: {{ .hook }}
  helm.sh/hook-weight: {{ .weight | default 0 | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "common.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "common.fullname" (omit . "component")) }}
{{- end }}

{{/* URL of another part: the value `name`, or the Service of the sibling `chart` in the same release. */}}
{{- define "common.siblingUrl" -}}
{{- with index .root.Values .name -}}
{{ . }}
{{- else -}}
{{- if .root.Chart.IsRoot }}{{ fail (printf "%s.%s: name the URL of %s, such as http://%s.example.org:%v. Only the umbrella chart brings one." .root.Chart.Name .name .chart .chart .port) }}{{ end -}}
http://{{ .root.Release.Name }}-{{ .chart }}:{{ .port }}
{{- end }}
{{- end }}
