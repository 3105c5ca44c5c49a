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

{{/*
Whether the definition in the file is in the cluster and no part of this release: somebody else's, or what a release before has
left. Helm would refuse to install over it. `lookup` finds nothing where there is no cluster, as for `helm template`.
*/}}
{{- define "portcullis.isOfOthers" -}}
{{- $root := first . -}}
{{- $name := last . | base | trimSuffix ".yaml" -}}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name -}}
{{- $noted := dig "metadata" "annotations" dict ($there | default dict) -}}
{{- $release := get $noted "meta.helm.sh/release-name" -}}
{{- $namespace := get $noted "meta.helm.sh/release-namespace" -}}
{{- if and $there (ne (list $namespace $release | toJson) (list $root.Release.Namespace $root.Release.Name | toJson)) -}}
true
{{- end -}}
{{- end }}
