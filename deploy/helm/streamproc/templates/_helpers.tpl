{{- define "streamproc.fullname" -}}
{{- if contains "streamproc" .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-streamproc" .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "streamproc.selector" -}}
app.kubernetes.io/name: streamproc
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "streamproc.labels" -}}
{{ include "streamproc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "streamproc.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Environment of workers and of the job alike: settings, and where the files are. */}}
{{- define "streamproc.env" -}}
{{- range $name, $value := .Values.settings }}
- name: STREAMPROC_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: STREAMPROC_PARTITIONS
  value: {{ .Values.topics.partitions | quote }}
{{- range $name, $from := .Values.secrets }}
- name: STREAMPROC_{{ $name }}{{ if not (has $name (list "SSL_CAFILE" "SSL_CERTFILE" "SSL_KEYFILE")) }}_FILE{{ end }}
  value: /run/secrets/streamproc/{{ $name }}/{{ $from.key }}
{{- end }}
{{- end -}}

{{- define "streamproc.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $name, $from := .Values.secrets }}
- name: {{ $name | lower | replace "_" "-" }}
  mountPath: /run/secrets/streamproc/{{ $name }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "streamproc.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- range $name, $from := .Values.secrets }}
- name: {{ $name | lower | replace "_" "-" }}
  secret:
    secretName: {{ $from.secret }}
    defaultMode: 0440
    items: [{key: {{ $from.key | quote }}, path: {{ $from.key | quote }}}]
{{- end }}
{{- end -}}

{{- define "streamproc.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "streamproc.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}
