{{/* Text of a file with the paths of runbooks turned into URLs: (list context content). */}}
{{- define "observability.linked" -}}
{{- $context := index . 0 }}
{{- $text := index . 1 | toString }}
{{- with $context.Values.runbooks.url }}
{{- $text = $text | replace "docs/runbooks/" (printf "%s/" (trimSuffix "/" .)) }}
{{- end }}
{{- $text }}
{{- end }}
