{{- define "common.serviceaccount" -}}
{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "common.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "common.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{- define "common.service" -}}
apiVersion: v1
kind: Service
metadata: {{- include "common.metadata" . | nindent 2 }}
spec:
  selector: {{- include "common.selectorLabels" . | nindent 4 }}
  ports:
    {{- range $name, $port := (.ports | default (dict "http" .Values.service.port)) }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $name }}}
    {{- end }}
{{- end }}

{{/* Metadata of a monitor or rule, with the labels that an operator of the cluster may select by. */}}
{{- define "common.monitorMetadata" -}}
{{ include "common.metadata" . }}
{{- with .Values.global.monitorLabels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{/* Whether to make what the Prometheus operator reads: (dict "root" . "when" "auto" or a boolean "kind" its kind). Empty: no. */}}
{{- define "common.watched" -}}
{{- $defined := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) -}}
{{- if or (eq (toString .when) "true") (and (eq (toString .when) "auto") $defined) }}yes{{ end -}}
{{- end }}

{{- define "common.servicemonitor" -}}
{{- if include "common.watched" (dict "root" . "when" .Values.serviceMonitor.enabled "kind" "ServiceMonitor") }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {{- include "common.monitorMetadata" . | nindent 2 }}
spec:
  selector:
    matchLabels: {{- include "common.selectorLabels" . | nindent 6 }}
  endpoints:
    - port: {{ .port | default "http" }}
      path: {{ .path | default "/metrics" }}
      interval: {{ .Values.serviceMonitor.interval }}
{{- end }}
{{- end }}

{{- define "common.pdb" -}}
{{- if .Values.pdb.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "common.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .Values.pdb.maxUnavailable }}
  selector:
    matchLabels: {{- include "common.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "common.ingress" -}}
{{- with .Values.ingress }}
{{- if .enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "common.metadata" $ | nindent 2 }}
  {{- with merge (dict) .annotations (.door | default dict) }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if .tlsSecret }}
  tls: [{hosts: [{{ .host | quote }}], secretName: {{ .tlsSecret }}}]
  {{- end }}
  rules:
    - host: {{ required "ingress.host: name the host under which the Ingress answers" .host | quote }}
      http:
        paths:
          {{- range .paths | default (list (dict "path" "/" "pathType" "Prefix")) }}
          - path: {{ .path }}
            pathType: {{ .pathType }}
            backend: {service: {name: {{ include "common.fullname" $ }}, port: {name: http}}}
          {{- end }}
{{- end }}
{{- end }}
{{- end }}
