{{/* Name of the chart's objects: the release, with the name of the chart where the release does not have it. */}}
{{- define "coexstream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "coexstream" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-coexstream" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of the installation in topics, groups and metrics: no other release of the cluster has it. */}}
{{- define "coexstream.installation" -}}
{{- printf "%s.%s" .Release.Namespace (include "coexstream.fullname" .) -}}
{{- end -}}

{{/* Labels that select the pods of a component. Arguments: root, component. They must never change. */}}
{{- define "coexstream.selectorLabels" -}}
app.kubernetes.io/name: coexstream
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of all pods of the release. */}}
{{- define "coexstream.releaseLabels" -}}
app.kubernetes.io/name: coexstream
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of objects. Arguments: root, component. */}}
{{- define "coexstream.labels" -}}
{{ include "coexstream.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: coexstream
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Image with its digest, or its tag. */}}
{{- define "coexstream.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "coexstream.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "coexstream.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "coexstream.adminSecretName" -}}
{{- .Values.admin.tokenSecret.name | default (printf "%s-admin" (include "coexstream.fullname" .)) -}}
{{- end -}}

{{/*
The configuration of all roles: values of the chart, then those of .Values.config. One file and one hash for all roles, so that
the metric coexstream_config_info is the same everywhere. Keys that belong to one pod come as environment variables.
*/}}
{{- define "coexstream.config" -}}
{{- $installation := include "coexstream.installation" . -}}
{{- $base := dict
  "data_dir" "/data"
  "log" (dict "format" "json")
  "shutdown_timeout" .Values.shutdownTimeout
  "admin" (dict "listen" "0.0.0.0:9090" "token_file" (printf "/run/secrets/coexstream/admin/%s" .Values.admin.tokenSecret.key))
  "ingress" (dict "listen" ":8080")
-}}
{{- if eq .Values.mode "roles" -}}
{{- $_ := set $base "kafka" (dict "prefix" (printf "%s." $installation)) -}}
{{- $_ := set $base "processor" (dict "group_id" $installation) -}}
{{- $_ := set $base "sink" (dict
  "postgres" (dict "group_id" (printf "%s.sink-postgres" $installation))
  "webhook" (dict "group_id" (printf "%s.sink-webhook" $installation))
  "archive" (dict "group_id" (printf "%s.sink-archive" $installation))
  "media" (dict "group_id" (printf "%s.sink-media" $installation))) -}}
{{- if and .Values.sinks.media.enabled .Values.sinks.media.links.enabled -}}
{{- $_ := set (get (get $base "sink") "media") "link_listen" ":9095" -}}
{{- end -}}
{{- end -}}
{{- if .Values.desk.tokens -}}
{{- $_ := set $base "desk" (dict "tokens_dir" "/run/secrets/coexstream-tokens") -}}
{{- end -}}
{{- if .Values.endpoints -}}
{{- $_ := set $base "sink" (mergeOverwrite (deepCopy (get $base "sink" | default dict)) (dict "webhook" (dict "endpoints_file" "/etc/coexstream/endpoints.yaml"))) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $base (deepCopy .Values.config)) -}}
{{- end -}}

{{/* Hash of everything that pods read at their start. It is one for all roles. */}}
{{- define "coexstream.configHash" -}}
{{- printf "%s\n%s" (include "coexstream.config" .) (toYaml .Values.endpoints) | sha256sum | trunc 16 -}}
{{- end -}}

{{/* Number of partitions of every topic. */}}
{{- define "coexstream.partitions" -}}
{{- dig "kafka" "partitions" 12 .Values.config -}}
{{- end -}}

{{/* Seconds of a duration like 45s, 2m, 1m30s. */}}
{{- define "coexstream.seconds" -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" (toString .) -1 -}}
{{- $n := regexFind "^[0-9]+" . | int -}}
{{- if hasSuffix "ms" . -}}{{- $total = add $total (div (add $n 999) 1000) -}}
{{- else if hasSuffix "s" . -}}{{- $total = add $total $n -}}
{{- else if hasSuffix "m" . -}}{{- $total = add $total (mul $n 60) -}}
{{- else if hasSuffix "h" . -}}{{- $total = add $total (mul $n 3600) -}}
{{- else -}}{{- $total = add $total (mul $n 86400) -}}{{- end -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{/* Seconds from the request to stop to the kill: preStop, drain delay, the drain itself, and room. */}}
{{- define "coexstream.gracePeriod" -}}
{{- $drain := dig "ingress" "drain_delay" "0s" .Values.config -}}
{{- add (include "coexstream.seconds" .Values.shutdownTimeout | int) (include "coexstream.seconds" $drain | int) (.Values.preStopSeconds | int) 10 -}}
{{- end -}}

{{/* GOMEMLIMIT: nine tenths of the memory limit, in bytes, so that the collector works before the kernel kills. */}}
{{- define "coexstream.memoryLimit" -}}
{{- $limit := dig "limits" "memory" "" . | toString -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "K" 1000 "k" 1000 "M" 1000000 "G" 1000000000 "" 1 -}}
{{- $number := regexFind "^[0-9]+" $limit -}}
{{- $unit := regexReplaceAll "^[0-9]+" $limit "" -}}
{{- if and $number (hasKey $units $unit) -}}
{{- div (mul (int64 $number) (int64 (get $units $unit)) 9) 10 -}}
{{- end -}}
{{- end -}}

{{/* Replicas of a component that an autoscaler may own. Arguments: root, name of the object, kind of its scaler, values of the
component. With the scaler the present number stays, at least its minimum: without the field the API server would set 1. When the
scaler is switched off by this upgrade, the present number stays once more. */}}
{{- define "coexstream.replicas" -}}
{{- $now := lookup "apps/v1" .kind .root.Release.Namespace .name -}}
{{- $present := dig "spec" "replicas" 0 ($now | default dict) | int -}}
{{- $scaled := or .component.autoscaling.enabled (lookup "autoscaling/v2" "HorizontalPodAutoscaler" .root.Release.Namespace .scaler) -}}
{{- $least := ternary .component.autoscaling.minReplicas .component.replicas .component.autoscaling.enabled | int -}}
{{- if $scaled -}}
{{- max $least $present -}}
{{- else -}}
{{- $least -}}
{{- end -}}
{{- end -}}
