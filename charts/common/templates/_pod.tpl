{{/* Labels and annotations of a pod. More than 120 lines, because it is one set of parts that every pod takes. */}}
{{- define "common.podMetadata" -}}
labels:
  {{- include "common.labels" . | nindent 2 }}
  {{- with .Values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with .Values.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Parts of every pod: Pod Security "restricted", no token, placement by values.
enableServiceLinks is off: for the Service readmission-mlflow, Kubernetes would otherwise set
READMISSION_MLFLOW_PORT=tcp://..., and that is the name of one of our settings.
*/}}
{{- define "common.pod" -}}
serviceAccountName: {{ .hookServiceAccount | default (include "common.serviceAccountName" .) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- $user := .Values.global.podSecurityContext | default (dict "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001) }}
securityContext: {{- merge (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) $user | toYaml | nindent 2 }}
{{- with .Values.global.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread replicas over nodes and zones if possible. With `spread: required`, two never share a node. */}}
{{- define "common.spread" -}}
{{- $when := ternary "DoNotSchedule" "ScheduleAnyway" (eq .Values.spread "required") -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ $when }}
    labelSelector: {matchLabels: {{ include "common.selectorLabels" . | fromYaml | toJson }}}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "common.selectorLabels" . | fromYaml | toJson }}}
{{- end }}

{{/*
Image, registry/name:tag. The default tag is the chart's appVersion, which is the version in pyproject.toml. A value that has a
tag is the image of somebody else, and taken as it is.
*/}}
{{- define "common.image" -}}
{{- $global := .Values.global.image -}}
{{- $name := .image | default .Values.image -}}
{{- if not (contains ":" $name) -}}
{{- $name = printf "%s:%s" $name ($global.tag | default .Chart.AppVersion) -}}
{{- if $global.registry }}{{ $name = printf "%s/%s" $global.registry $name }}{{ end -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* Parts of every container: image, read-only root, no capabilities, resources, a writable /tmp. */}}
{{- define "common.container" -}}
image: {{ include "common.image" . }}
imagePullPolicy: {{ .Values.global.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml (.resources | default .Values.resources) | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.global.caBundle }}
  - {name: ca, mountPath: /etc/readmission/ca, readOnly: true}
  {{- end }}
  {{- with .mounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{/* Bytes of the quantity `size` in Ki, Mi, Gi or Ti, such as 512Mi; `name` is its key in the values. */}}
{{- define "common.bytes" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[KMGT]i$" .size -}}
{{- if not $unit }}{{ fail (printf "%s %s: give it in Ki, Mi, Gi or Ti, such as 512Mi" .name .size) }}{{ end -}}
{{- mul (trimSuffix $unit .size | int64) (get $units $unit | int64) -}}
{{- end }}

{{- define "common.volumes" -}}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: {{ .Values.tmpSize | default "1Gi" }}}}
  {{- with .Values.global.caBundle }}
  - {name: ca, configMap: {name: {{ . }}}}
  {{- end }}
  {{- with .volumes }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{/* Environment variables: the plain ones of `environment`, and one from a Secret. */}}
{{- define "common.extraEnv" -}}
{{- if .Values.global.caBundle }}
{{- range $name := list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" "PGSSLROOTCERT" }}
- {name: {{ $name }}, value: /etc/readmission/ca/ca.crt}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.environment }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "common.secretEnv" -}}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end }}

{{/* Address of Postgres, and the password of one role. */}}
{{- define "common.postgresEnv" -}}
- {name: READMISSION_POSTGRES_HOST, value: {{ required "global.postgres.host: name the Postgres server" .Values.global.postgres.host | quote }}}
- {name: READMISSION_POSTGRES_PORT, value: {{ .Values.global.postgres.port | quote }}}
- {name: READMISSION_POSTGRES_DATABASE, value: {{ .Values.global.postgres.database | quote }}}
{{- with .Values.global.postgres.sslmode }}
- {name: PGSSLMODE, value: {{ . }}}
{{- end }}
{{- with .role }}
{{ include "common.secretEnv" (dict "name" (printf "READMISSION_POSTGRES_PASSWORD_%s" (upper .)) "secret" $.Values.database.existingSecret "key" $.Values.database.key) }}
{{- end }}
{{- end }}

{{/* Three probes of an HTTP server: a patient one at the start, then readiness and liveness. */}}
{{- define "common.probes" -}}
startupProbe:
  httpGet: {path: {{ .alive }}, port: {{ .port | default "http" }}}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: {{ .patience | default 60 }}
readinessProbe:
  httpGet: {path: {{ .ready }}, port: {{ .port | default "http" }}}
  periodSeconds: {{ .readyPeriod | default 5 }}
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: {{ .alive }}, port: {{ .port | default "http" }}}
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 4
{{- end }}
