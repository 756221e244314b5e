{{/* PodDisruptionBudget. Arguments: root, name, component. A pod that is not ready may always be evicted. */}}
{{- define "coexstream.pdb" }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "coexstream.labels" (dict "root" .root "component" .component) | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "coexstream.selectorLabels" (dict "root" .root "component" .component) | nindent 6 }}
{{- end -}}

{{/* KEDA ScaledObject by a lag that Prometheus has. Arguments: root, name, kind, component, autoscaling, metric. */}}
{{- define "coexstream.scaledObject" }}
{{- $partitions := include "coexstream.partitions" .root | int }}
{{- if gt (.autoscaling.maxReplicas | int) $partitions }}
{{- fail (printf "%s: autoscaling.maxReplicas is %d; more than kafka.partitions (%d) would have nothing to do" .component (.autoscaling.maxReplicas | int) $partitions) }}
{{- end }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  labels:
    {{- include "coexstream.labels" (dict "root" .root "component" .component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ .name }}
  minReplicaCount: {{ .autoscaling.minReplicas }}
  maxReplicaCount: {{ .autoscaling.maxReplicas }}
  pollingInterval: 15
  cooldownPeriod: 300
  fallback:
    failureThreshold: 3
    replicas: {{ .autoscaling.minReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: 600
          policies:
            - {type: Pods, value: 1, periodSeconds: 300}
  triggers:
    - type: prometheus
      metadata:
        serverAddress: {{ required (printf "%s: autoscaling.prometheusAddress is needed" .component) .autoscaling.prometheusAddress | quote }}
        query: {{ printf "sum(%s{namespace=%q, pod=~%q})" .metric .root.Release.Namespace (printf "%s-.*" .name) | quote }}
        threshold: {{ .autoscaling.lagRecords | quote }}
        activationThreshold: {{ .autoscaling.lagRecords | quote }}
{{- end -}}

{{/* Paths of the sources, as a JSON list. */}}
{{- define "coexstream.paths" -}}
{{- $paths := list -}}
{{- range dig "ingress" "sources" list .Values.config -}}
{{- $paths = append $paths (.path | default (printf "/webhooks/%s" .name)) -}}
{{- end -}}
{{- toJson $paths -}}
{{- end -}}

{{/* Workload of a sink: a Deployment. Arguments: root, component, values, args, metric; size of the data volume, more volumes, mounts and ports. */}}
{{- define "coexstream.sink" }}
{{- $name := printf "%s-%s" (include "coexstream.fullname" .root) .component }}
{{- $volumes := concat (list (dict "name" "data" "emptyDir" (dict "sizeLimit" (.size | default "64Mi")))) (.volumes | default list) }}
{{- $mounts := concat (list (dict "name" "data" "mountPath" "/data")) (.mounts | default list) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "coexstream.labels" (dict "root" .root "component" .component) | nindent 4 }}
spec:
  replicas: {{ include "coexstream.replicas" (dict "root" .root "name" $name "kind" "Deployment" "scaler" (printf "keda-hpa-%s" $name) "component" .values) }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  minReadySeconds: 2
  selector:
    matchLabels:
      {{- include "coexstream.selectorLabels" (dict "root" .root "component" .component) | nindent 6 }}
  template:
    {{- include "coexstream.pod" (dict "root" .root "component" .component "role" .component "values" .values "args" .args "ports" .ports "mounts" $mounts "volumes" $volumes "revision" "pod-template-hash" "grace" (include "coexstream.gracePeriod" .root)) | nindent 4 }}
{{- if .values.pdb.enabled }}
---
{{- include "coexstream.pdb" (dict "root" .root "name" $name "component" .component) }}
{{- end }}
{{- if .values.autoscaling.enabled }}
---
{{- include "coexstream.scaledObject" (dict "root" .root "name" $name "kind" "Deployment" "component" .component "autoscaling" .values.autoscaling "metric" .metric) }}
{{- end }}
{{- end -}}

{{/* Volumes and mounts of the desk's tokens, as JSON lists: one folder for each provider, with a file for each WABA or number. */}}
{{- define "coexstream.tokenVolumes" -}}
{{- $volumes := list -}}
{{- range .Values.desk.tokens -}}
{{- $volume := dict "name" (printf "tokens-%s" .provider) -}}
{{- if .csi -}}
{{- $_ := set $volume "csi" .csi -}}
{{- else -}}
{{- $_ := set $volume "secret" (dict "secretName" (required "desk.tokens: secretName or csi is needed" .secretName) "defaultMode" 288) -}}
{{- end -}}
{{- $volumes = append $volumes $volume -}}
{{- end -}}
{{- toJson $volumes -}}
{{- end -}}

{{- define "coexstream.tokenMounts" -}}
{{- $mounts := list -}}
{{- range .Values.desk.tokens -}}
{{- $mounts = append $mounts (dict "name" (printf "tokens-%s" .provider) "mountPath" (printf "/run/secrets/coexstream-tokens/%s" .provider) "readOnly" true) -}}
{{- end -}}
{{- toJson $mounts -}}
{{- end -}}
