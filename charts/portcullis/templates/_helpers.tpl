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

{{/*
The webhook configurations by which a Kyverno is called, as JSON, by the test of `portcullis install`: those that have its label
and are none of ours, and call somebody. Nothing is found where there is no cluster, as for `helm template`.
*/}}
{{- define "portcullis.kyverno" -}}
{{- $found := list -}}
{{- range $kind := list "MutatingWebhookConfiguration" "ValidatingWebhookConfiguration" -}}
{{- range dig "items" list (lookup "admissionregistration.k8s.io/v1" $kind "" "") -}}
{{- $labels := dig "metadata" "labels" dict . -}}
{{- $isOurs := eq (get $labels "app.kubernetes.io/managed-by") "portcullis" -}}
{{- if and (hasKey $labels "webhook.kyverno.io/managed-by") (not $isOurs) .webhooks -}}
{{- $found = append $found . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toJson $found }}
{{- end }}

{{/*
The Deployments of that Kyverno, as JSON, by the test of `portcullis install --take-over`: those that say so, and those whose Pods
the Services lead to that its configurations call.
*/}}
{{- define "portcullis.kyverno.deployments" -}}
{{- $services := list -}}
{{- range . -}}
{{- with dig "clientConfig" "service" dict (first .webhooks) -}}
{{- $services = append $services (dict "namespace" .namespace "name" .name) -}}
{{- end -}}
{{- end -}}
{{- $found := list -}}
{{- range uniq $services -}}
{{- $selector := dig "spec" "selector" dict (lookup "v1" "Service" .namespace .name) -}}
{{- range dig "items" list (lookup "apps/v1" "Deployment" .namespace "") -}}
{{- $labels := dig "spec" "template" "metadata" "labels" dict . -}}
{{- $isLedTo := not (empty $selector) -}}
{{- range $key, $value := $selector -}}
{{- if ne (get $labels $key) $value -}}
{{- $isLedTo = false -}}
{{- end -}}
{{- end -}}
{{- if or $isLedTo (eq (dig "metadata" "labels" "app.kubernetes.io/part-of" "" .) "kyverno") -}}
{{- $found = append $found (dict "namespace" .metadata.namespace "name" .metadata.name "replicas" .spec.replicas) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toJson (uniq $found) }}
{{- end }}
