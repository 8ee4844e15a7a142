{{/* The names of everything of one service: postgres-backup and postgres-verify in a release of that name. */}}
{{- define "app.fullname" -}}
{{- printf "%s-%s" (trimSuffix "-backup" .root.Release.Name | trunc 50) .service | trimSuffix "-" -}}
{{- end -}}

{{- define "app.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{/* For what is about both services. */}}
{{- define "app.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "app.serviceLabels" -}}
{{ include "app.labels" .root }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "app.serviceAccountName" -}}
{{- $values := index .root.Values .service -}}
{{- $values.serviceAccount.name | default (ternary (include "app.fullname" .) "default" $values.serviceAccount.create) -}}
{{- end -}}

{{- define "app.image" -}}
{{- $values := index .root.Values .service -}}
{{- $repository := required "image.repository is not set: where the images are, such as ghcr.io/OWNER/REPOSITORY" .root.Values.image.repository -}}
{{- if $values.imageDigest -}}
{{ $repository }}/{{ .service }}@{{ $values.imageDigest }}
{{- else -}}
{{ $repository }}/{{ .service }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The pod of one service, for a Deployment (no `args`) or a CronJob. */}}
{{- define "app.pod" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $values := index .root.Values .service -}}
{{- $user := ternary 10001 10002 (eq .service "backup") -}}
{{- if not (or $values.existingSecret $values.extraEnv $values.extraEnvFrom) -}}
{{- fail (printf "%s has no configuration: set %s.existingSecret, extraEnv or extraEnvFrom" .service .service) -}}
{{- end -}}
metadata:
  labels:
    {{- include "app.selector" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if .args }}
  restartPolicy: Never
  {{- end }}
  serviceAccountName: {{ include "app.serviceAccountName" . }}
  # Neither service talks to Kubernetes.
  automountServiceAccountToken: false
  # The variables of service links have names such as S3_PORT and BACKUP_PORT, which look like ours.
  enableServiceLinks: false
  # Messages call the installation by its host, and a pod has another name after each rollout.
  hostname: {{ include "app.fullname" . }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $user }}
    runAsGroup: {{ $user }}
    fsGroup: {{ $user }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .service }}
      image: {{ include "app.image" . }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- with .args }}
      args: {{ toJson . }}
      {{- end }}
      {{- if or $values.existingSecret $values.extraEnvFrom }}
      envFrom:
        {{- with $values.existingSecret }}
        - secretRef:
            name: {{ . }}
        {{- end }}
        {{- with $values.extraEnvFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      env:
        {{- with $values.schedule }}
        - name: {{ upper $service }}_SCHEDULE
          value: {{ . | quote }}
        {{- end }}
        - name: TZ
          value: {{ $root.Values.timeZone | quote }}
        {{- range $name, $value := $values.env }}
        - name: {{ $name }}
          value: {{ $value | toString | quote }}
        {{- end }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if not .args }}
      ports:
        - name: http
          containerPort: 8080
      startupProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 15
        timeoutSeconds: 10
        failureThreshold: 4
      # Neither /readyz nor /health: the page must stay reachable when the bucket is not, or a backup is missing.
      readinessProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 15
        timeoutSeconds: 10
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: shm
          mountPath: /dev/shm
        {{- if eq .service "verify" }}
        - name: spool
          mountPath: /var/spool/verify
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    # TMPDIR of the image: password files for client tools, in memory.
    - name: shm
      emptyDir:
        medium: Memory
        sizeLimit: 16Mi
    {{- if eq .service "verify" }}
    - name: spool
      ephemeral:
        volumeClaimTemplate:
          spec:
            accessModes: [ReadWriteOnce]
            {{- with $values.spool.storageClassName }}
            storageClassName: {{ . }}
            {{- end }}
            resources:
              requests:
                storage: {{ $values.spool.size }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
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
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end -}}
