{{/* HTTPRoute of the Gateway API, to a Gateway that the cluster has. */}}
{{- define "common.route" -}}
{{- with .Values.route }}
{{- if .enabled }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{- include "common.metadata" $ | nindent 2 }}
spec:
  parentRefs:
    - name: {{ required "route.gateway.name: name the Gateway that the route belongs to" .gateway.name }}
      {{- with .gateway.namespace }}
      namespace: {{ . }}
      {{- end }}
      {{- with .gateway.section }}
      sectionName: {{ . }}
      {{- end }}
  hostnames: [{{ required "route.host: name the host under which the Gateway answers" .host | quote }}]
  rules:
    {{- $rule := dict }}
    {{- with $.Values.ingress.paths }}
    {{- $matches := list }}
    {{- range . }}
    {{- $matches = append $matches (dict "path" (dict "type" (ternary "Exact" "PathPrefix" (eq .pathType "Exact")) "value" .path)) }}
    {{- end }}
    {{- $rule = dict "matches" $matches }}
    {{- end }}
    - {{- merge $rule (dict "backendRefs" (list (dict "name" (include "common.fullname" $) "port" ($.Values.service.port | int)))) .rule | toYaml | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}
