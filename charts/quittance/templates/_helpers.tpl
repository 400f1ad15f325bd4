{{/* Names, labels, and what all pods have in common. Each helper takes the root context, but where it says otherwise. */}}

{{- define "quittance.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "quittance.fullname" -}}
{{- $name := include "quittance.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "quittance.selector" -}}
app.kubernetes.io/name: {{ include "quittance.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "quittance.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "quittance.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: quittance
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "quittance.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "quittance.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "quittance.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* The database's cluster, where the chart makes it. */}}
{{- define "quittance.cluster" -}}
{{- include "quittance.fullname" . }}-db
{{- end }}

{{- define "quittance.databaseSecret" -}}
{{- if .Values.database.cloudnativepg.enabled }}{{ include "quittance.cluster" . }}-app
{{- else if .Values.externalSecrets.enabled }}{{ include "quittance.fullname" . }}-database
{{- else }}{{ .Values.database.existingSecret }}{{ end }}
{{- end }}

{{- define "quittance.databaseSecretKey" -}}
{{- if .Values.database.cloudnativepg.enabled }}uri{{ else }}{{ .Values.database.existingSecretKey }}{{ end }}
{{- end }}

{{- define "quittance.databaseTlsMode" -}}
{{- .Values.database.tls.mode | default (ternary "verify-full" "" .Values.database.cloudnativepg.enabled) }}
{{- end }}

{{- define "quittance.databaseTlsSecret" -}}
{{- .Values.database.tls.existingSecret | default (ternary (printf "%s-ca" (include "quittance.cluster" .)) "" .Values.database.cloudnativepg.enabled) }}
{{- end }}

{{- define "quittance.sealingSecret" -}}
{{- if and .Values.externalSecrets.enabled .Values.externalSecrets.sealing }}{{ include "quittance.fullname" . }}-sealing
{{- else }}{{ .Values.sealing.existingSecret }}{{ end }}
{{- end }}

{{/* Not empty where what a migration needs is made by the chart: a hook would run before it, so pods migrate as they start. */}}
{{- define "quittance.migratesInPods" -}}
{{- if or .Values.database.cloudnativepg.enabled .Values.externalSecrets.enabled }}true{{ end }}
{{- end }}

{{/* The most pods of a role. Takes serve's or worker's values. */}}
{{- define "quittance.mostPods" -}}
{{- if .autoscaling.enabled }}{{ .autoscaling.maxReplicas }}{{ else }}{{ .replicas }}{{ end }}
{{- end }}

{{/* A pod's share of a rate over all. Takes a list of the root context and the rate. */}}
{{- define "quittance.share" -}}
{{- $values := (index . 0).Values }}
{{- $pods := add (include "quittance.mostPods" $values.serve | int) (include "quittance.mostPods" $values.worker | int) }}
{{- max 1 (div (index . 1 | int) (max 1 $pods)) }}
{{- end }}

{{/* Environment of every pod: settings, and secrets by their names. */}}
{{- define "quittance.env" -}}
- name: QUITTANCE_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "quittance.databaseSecret" . }}, key: {{ include "quittance.databaseSecretKey" . }}}}
{{- with include "quittance.databaseTlsMode" . }}
- {name: PGSSLMODE, value: {{ . }}}
{{- end }}
{{- if include "quittance.databaseTlsSecret" . }}
- {name: PGSSLROOTCERT, value: /etc/quittance/database/{{ .Values.database.tls.existingSecretKey }}}
{{- end }}
{{- if .Values.caBundle.configMap }}
- {name: SSL_CERT_FILE, value: /etc/quittance/ca/{{ .Values.caBundle.key }}}
{{- end }}
{{ include "quittance.sealingEnv" . | trim }}
- {name: QUITTANCE_SHUTDOWN_GRACE_S, value: {{ .Values.shutdown.graceS | quote }}}
- {name: QUITTANCE_STRIPE_REQUESTS_PER_S_LIVE, value: {{ include "quittance.share" (list . .Values.stripe.requestsPerSLive) | quote }}}
- {name: QUITTANCE_STRIPE_REQUESTS_PER_S_TEST, value: {{ include "quittance.share" (list . .Values.stripe.requestsPerSTest) | quote }}}
- {name: QUITTANCE_STRIPE_REQUESTS_PER_S_ENDPOINT, value: {{ include "quittance.share" (list . .Values.stripe.requestsPerSEndpoint) | quote }}}
{{- with .Values.tracing.otlp.endpoint }}
- {name: QUITTANCE_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- range $key, $value := .Values.settings }}
- {name: QUITTANCE_{{ upper $key }}, value: {{ toString (ternary (int64 $value) $value (kindIs "float64" $value)) | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "quittance.sealingEnv" -}}
{{- $sealing := .Values.sealing }}
- {name: QUITTANCE_SEALING_PROVIDER, value: {{ $sealing.provider }}}
{{- if eq $sealing.provider "file" }}
- {name: QUITTANCE_SEALING_KEY_FILE, value: /etc/quittance/sealing/current}
{{- end }}
{{- range $index, $entry := $sealing.others }}
- name: KEY_THAT_UNWRAPS_{{ $index }}
  valueFrom: {secretKeyRef: {name: {{ include "quittance.sealingSecret" $ }}, key: {{ $entry | quote }}}}
{{- end }}
{{- if $sealing.others }}
{{- $names := list }}
{{- range $index, $_ := $sealing.others }}{{ $names = append $names (printf "$(KEY_THAT_UNWRAPS_%d)" $index) }}{{ end }}
- {name: QUITTANCE_SEALING_KEYS_PREVIOUS, value: {{ join "," $names | quote }}}
{{- end }}
{{- with $sealing.vault.address }}
- {name: QUITTANCE_VAULT_ADDRESS, value: {{ . | quote }}}
- {name: QUITTANCE_VAULT_TRANSIT_KEY, value: {{ $sealing.vault.transitKey | quote }}}
- {name: QUITTANCE_VAULT_TOKEN_FILE, value: {{ default "/etc/quittance/vault/token" $sealing.vault.tokenFile }}}
{{- end }}
{{- end }}

{{- define "quittance.volumeMounts" -}}
{{- if eq .Values.sealing.provider "file" }}
- {name: sealing, mountPath: /etc/quittance/sealing, readOnly: true}
{{- end }}
{{- if .Values.sealing.vault.existingSecret }}
- {name: vault, mountPath: /etc/quittance/vault, readOnly: true}
{{- end }}
{{- if include "quittance.databaseTlsSecret" . }}
- {name: database-ca, mountPath: /etc/quittance/database, readOnly: true}
{{- end }}
{{- if .Values.caBundle.configMap }}
- {name: ca, mountPath: /etc/quittance/ca, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "quittance.volumes" -}}
{{- if eq .Values.sealing.provider "file" }}
- name: sealing
  secret:
    secretName: {{ include "quittance.sealingSecret" . }}
    defaultMode: 0440
    items: [{key: {{ .Values.sealing.current | quote }}, path: current}]
{{- end }}
{{- with .Values.sealing.vault.existingSecret }}
- name: vault
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: {{ $.Values.sealing.vault.existingSecretKey | quote }}, path: token}]
{{- end }}
{{- with include "quittance.databaseTlsSecret" . }}
- name: database-ca
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: {{ $.Values.database.tls.existingSecretKey | quote }}, path: {{ $.Values.database.tls.existingSecretKey | quote }}}]
{{- end }}
{{- with .Values.caBundle.configMap }}
- name: ca
  configMap: {name: {{ . }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the restricted profile of pod security asks of a pod. */}}
{{- define "quittance.podSecurity" -}}
runAsNonRoot: true
{{- if .Values.security.assignUser }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* And of a container. */}}
{{- define "quittance.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
privileged: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* A container. Takes a dict of root, name, args and resources. */}}
{{- define "quittance.container" -}}
name: {{ .name }}
image: {{ include "quittance.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
securityContext:
  {{- include "quittance.containerSecurity" .root | nindent 2 }}
resources:
  {{- toYaml .resources | nindent 2 }}
volumeMounts:
  {{- include "quittance.volumeMounts" .root | trim | default "[]" | nindent 2 }}
{{- end }}

{{/* The head of a pod's spec, the same for all. */}}
{{- define "quittance.podHead" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "quittance.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
volumes:
  {{- include "quittance.volumes" . | trim | default "[]" | nindent 2 }}
{{- end }}

{{/* Where a role's pods go. Takes a dict of root, component and values. */}}
{{- define "quittance.placement" -}}
{{- $selector := dict "matchLabels" (merge (dict "app.kubernetes.io/component" .component) (include "quittance.selector" .root | fromYaml)) }}
{{- $near := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $selector }}
{{- $affinity := dict }}
{{- if eq .root.Values.podAntiAffinity "required" }}
{{- $affinity = dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $near)) }}
{{- else if eq .root.Values.podAntiAffinity "preferred" }}
{{- $affinity = dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $near))) }}
{{- end }}
{{- with mergeOverwrite $affinity (deepCopy .values.affinity) }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {{ toJson $selector }}
{{- end }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The migration beside a role, where it is one's own. Takes the root context. */}}
{{- define "quittance.migrateInPod" -}}
{{- if include "quittance.migratesInPods" . }}
initContainers:
  - {{- include "quittance.container" (dict "root" . "name" "migrate" "args" (list "migrate") "resources" .Values.migrate.resources) | nindent 4 }}
    env:
      {{- include "quittance.env" . | nindent 6 }}
{{- end }}
{{- end }}
