{{- define "worldkeeper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "worldkeeper.fullname" -}}
{{- $name := include "worldkeeper.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "worldkeeper.serviceAccount" -}}
{{- default (include "worldkeeper.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* What a selector names: for life. */}}
{{- define "worldkeeper.selector" -}}
app.kubernetes.io/name: {{ include "worldkeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "worldkeeper.labels" -}}
{{ include "worldkeeper.selector" . }}
app.kubernetes.io/part-of: worldkeeper
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "worldkeeper.image" -}}
{{- printf "%s:%s" .Values.image.repository .Values.image.tag -}}
{{- end -}}

{{- define "worldkeeper.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "worldkeeper.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* CEL: the request comes from the operator. */}}
{{- define "worldkeeper.trusted" -}}
{{- $users := list (printf "system:serviceaccount:%s:%s" .Release.Namespace (include "worldkeeper.serviceAccount" .)) -}}
request.userInfo.username in {{ concat $users .Values.policies.trustedUsers | uniq | toJson }}
{{- end -}}
