{{/*
The labels and annotations of an object: what every object has, and the `labels` and `annotations` of this one. They
are the same however Portcullis is installed, and `portcullis uninstall` finds objects by the first label.
*/}}
{{- define "portcullis.metadata" -}}
labels:
  app.kubernetes.io/name: portcullis
  {{- with merge (dict) (.labels | default dict) .Values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What selects the Pods. It can never change, so that no value goes into it. */}}
{{- define "portcullis.selector" -}}
app.kubernetes.io/name: portcullis
{{- end }}

{{- define "portcullis.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}
