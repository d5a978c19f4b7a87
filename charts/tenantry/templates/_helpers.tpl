{{/* Image of one of the three programs: {root, name}. */}}
{{- define "tenantry.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}tenantry/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Labels of every object: {root, component}. */}}
{{- define "tenantry.labels" -}}
{{ include "tenantry.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: tenantry
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels by which pods are selected. They never change, because a Deployment's selector cannot. */}}
{{- define "tenantry.selector" -}}
app.kubernetes.io/name: tenantry
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of a pod template: {root, component}. */}}
{{- define "tenantry.podLabels" -}}
{{- merge (include "tenantry.labels" . | fromYaml) .root.Values.pods.labels | toYaml }}
{{- end }}

{{/* Fields that all pods of the release share. */}}
{{- define "tenantry.pod" -}}
automountServiceAccountToken: true
# Service variables, such as TENANTRY_CONTROL_PLANE_PORT, would mix with settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tenantry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Spreads the replicas over the nodes: {component}. */}}
{{- define "tenantry.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tenantry.selector" . | nindent 6 }}
{{- end }}

{{/* Namespace of the pods from which the tenants' traffic comes. */}}
{{- define "tenantry.gatewayNamespace" -}}
{{- .Values.routing.controllerNamespace | default (eq .Values.routing.kind "gateway" | ternary .Values.routing.gateway.namespace "") }}
{{- end }}

{{- define "tenantry.gateway" -}}
{{- with .Values.routing.gateway }}{{ .namespace }}/{{ .name }}{{ with .sectionName }}/{{ . }}{{ end }}{{ end }}
{{- end }}

{{/* Settings of the handshake through the public route, for the operator and the smoke test. */}}
{{- define "tenantry.verifyEnv" -}}
{{- with .Values.verify.address }}
- name: TENANTRY_VERIFY_ADDRESS
  value: {{ . | quote }}
{{- end }}
{{- if .Values.verify.caConfigMap.name }}
- name: TENANTRY_VERIFY_CA_FILE
  value: /etc/tenantry/verify/ca.crt
{{- end }}
{{- end }}

{{- define "tenantry.verifyMount" -}}
{{- if .Values.verify.caConfigMap.name }}
- name: verify
  mountPath: /etc/tenantry/verify
  readOnly: true
{{- end }}
{{- end }}

{{- define "tenantry.verifyVolume" -}}
{{- with .Values.verify.caConfigMap }}
{{- if .name }}
- name: verify
  configMap:
    name: {{ .name }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
{{- end }}
