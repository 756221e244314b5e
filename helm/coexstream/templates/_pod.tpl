{{/*
Pod template of a role. Arguments:
  root       the chart's context
  component  label of the component
  role       name of the role in secrets[].roles
  values     values of the component
  args       arguments of the program
  ports      container ports beside the admin port
  env        variables beside the common ones
  mounts     volume mounts beside the common ones
  volumes    volumes beside the common ones
  revision   label by which the kind of workload marks its revision
  grace      seconds of the grace period
*/}}
{{- define "coexstream.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $role := .role -}}
metadata:
  annotations:
    kubectl.kubernetes.io/default-container: coexstream
    coexstream/config-hash: {{ include "coexstream.configHash" $root }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "coexstream.labels" (dict "root" $root "component" .component) | nindent 4 }}
    coexstream/admin: "true"
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "coexstream.serviceAccountName" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if $values.topologySpreadConstraints }}
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "coexstream.selectorLabels" (dict "root" $root "component" $.component) | nindent 10 }}
      matchLabelKeys: [{{ $.revision }}]
    {{- end }}
    {{- end }}
  containers:
    - name: coexstream
      image: {{ include "coexstream.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        - name: COEXSTREAM_CONFIG
          value: /etc/coexstream/coexstream.yaml
        {{- with include "coexstream.memoryLimit" ($values.resources | default dict) }}
        - name: GOMEMLIMIT
          value: {{ . | quote }}
        {{- end }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: admin
          containerPort: 9090
        {{- with .ports }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      startupProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $root.Values.preStopSeconds }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      {{- with $values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: config
          mountPath: /etc/coexstream
          readOnly: true
        - name: admin-token
          mountPath: /run/secrets/coexstream/admin
          readOnly: true
        {{- range $root.Values.secrets }}
        {{- if or (not .roles) (has $role .roles) }}
        - name: secret-{{ .name }}
          mountPath: /run/secrets/coexstream/{{ .name }}
          readOnly: true
        {{- end }}
        {{- end }}
        {{- with .mounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "coexstream.fullname" $root }}
    - name: admin-token
      secret:
        secretName: {{ include "coexstream.adminSecretName" $root }}
        defaultMode: 0440
    {{- range $root.Values.secrets }}
    {{- if or (not .roles) (has $role .roles) }}
    - name: secret-{{ .name }}
      {{- if .csi }}
      csi:
        {{- toYaml .csi | nindent 8 }}
      {{- else }}
      secret:
        secretName: {{ .secretName | default .name }}
        defaultMode: 0440
      {{- end }}
    {{- end }}
    {{- end }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
