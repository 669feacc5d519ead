{{/* Where backups are kept. */}}
{{- define "backup.target" -}}
{{ .Values.target | default "/backups" }}
{{- end }}

{{/* Job of one verb: `args`, its arguments. It is not repeated, because a second try would not find other circumstances. */}}
{{- define "backup.job" -}}
backoffLimit: 0
activeDeadlineSeconds: {{ .Values.deadlineSeconds }}
template:
  metadata: {{- include "common.podMetadata" . | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- include "common.pod" . | nindent 4 }}
    containers:
      - name: {{ .component }}
        {{- $mounts := ternary list (list (dict "name" "backups" "mountPath" "/backups")) (ne .Values.target "") }}
        {{- include "common.container" (merge (dict "mounts" $mounts) .) | nindent 8 }}
        args: {{ .args | toJson }}
        env: {{- include "backup.env" . | nindent 10 }}
    {{- $claim := dict "claimName" (include "common.fullname" (omit . "component")) }}
    {{- $volumes := ternary list (list (dict "name" "backups" "persistentVolumeClaim" $claim)) (ne .Values.target "") }}
    {{- include "common.volumes" (merge (dict "volumes" $volumes) .) | nindent 4 }}
{{- end }}

{{- define "backup.env" -}}
- {name: HOME, value: /tmp}
- {name: READMISSION_HOME, value: /tmp/state}
- {name: READMISSION_LOG_FORMAT, value: json}
- {name: READMISSION_POSTGRES_ADMIN_USER, value: {{ .Values.database.adminUser }}}
{{ include "common.postgresEnv" . }}
{{- with .Values.database }}
{{ include "common.secretEnv" (dict "name" "READMISSION_POSTGRES_PASSWORD_ADMIN" "secret" .adminSecret "key" .adminKey) }}
{{- range $role := .roles }}
{{ include "common.secretEnv" (dict "name" (printf "READMISSION_POSTGRES_PASSWORD_%s" (upper $role)) "secret" $.Values.database.rolesSecret "key" $role) }}
{{- end }}
{{- end }}
{{- with .Values.patientKey }}{{ if .existingSecret }}
{{ include "common.secretEnv" (dict "name" "READMISSION_PATIENT_KEY" "secret" .existingSecret "key" .key) }}
{{- end }}{{ end }}
{{- with .Values.signingKey }}{{ if .existingSecret }}
{{ include "common.secretEnv" (dict "name" "READMISSION_SIGNING_KEY" "secret" .existingSecret "key" .key) }}
{{- end }}{{ end }}
{{- with .Values.key }}
{{ include "common.secretEnv" (dict "name" "READMISSION_BACKUP_KEY" "secret" .existingSecret "key" .key) }}
{{- end }}
- {name: READMISSION_OBJECT_STORE, value: {{ .Values.objectStore.store | quote }}}
- {name: READMISSION_MLFLOW_ARTIFACTS, value: {{ .Values.objectStore.artifacts | quote }}}
- {name: READMISSION_S3_ENDPOINT, value: {{ .Values.global.objectStore.endpoint | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.global.objectStore.region }}}
{{- with .Values.objectStore }}{{ if .existingSecret }}
{{ include "common.secretEnv" (dict "name" "AWS_ACCESS_KEY_ID" "secret" .existingSecret "key" .accessKey) }}
{{ include "common.secretEnv" (dict "name" "AWS_SECRET_ACCESS_KEY" "secret" .existingSecret "key" .secretKey) }}
{{- end }}{{ end }}
{{- with .Values.s3 }}
- {name: READMISSION_BACKUP_S3_ENDPOINT, value: {{ .endpoint | quote }}}
{{- if .existingSecret }}
{{ include "common.secretEnv" (dict "name" "READMISSION_BACKUP_S3_ACCESS_KEY" "secret" .existingSecret "key" .accessKey) }}
{{ include "common.secretEnv" (dict "name" "READMISSION_BACKUP_S3_SECRET_KEY" "secret" .existingSecret "key" .secretKey) }}
{{- end }}
{{- end }}
{{- include "common.extraEnv" . }}
{{- end }}
