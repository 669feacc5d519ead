{{/* One side of a NetworkPolicy rule: the peer, and the ports of the callee. */}}
{{- define "foundation.rule" -}}
{{- with .ports }}
ports: [{{ range $i, $port := . }}{{ if $i }}, {{ end }}{port: {{ $port }}}{{ end }}]
{{- end }}
{{- if .peer.namespace }}
{{ .key }}: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .peer.namespace }}}}, podSelector: { {{- with .peer.pods }}matchLabels: {{ . | toJson }}{{ end }}}}]
{{- else if .peer.cidr }}
{{ .key }}: [{ipBlock: {cidr: {{ .peer.cidr }}}}]
{{- end }}
{{- end }}
