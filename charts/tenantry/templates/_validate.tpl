{{/* Refuses values that would install something that cannot work. Every message names the value and the remedy. */}}
{{- define "tenantry.validate" -}}
{{- $values := .Values -}}
{{- $faults := list -}}
{{- if hasPrefix "tenant-" .Release.Namespace -}}
{{- $faults = append $faults (printf "the namespace %q has a name that tenants' namespaces have: install into another, such as tenantry-system" .Release.Namespace) -}}
{{- end -}}
{{- if not $values.baseUrl -}}
{{- $faults = append $faults "baseUrl: set it to the public base URL of the installation, such as https://mcp.example.com" -}}
{{- end -}}
{{- with $values.workos -}}
{{- if not .clientId -}}
{{- $faults = append $faults "workos.clientId: set it to the client ID of your WorkOS environment, client_... (WorkOS dashboard, API Keys)" -}}
{{- end -}}
{{- if not .oauthIssuer -}}
{{- $faults = append $faults "workos.oauthIssuer: set it to your AuthKit domain, such as https://example.authkit.app (WorkOS dashboard, Domains)" -}}
{{- end -}}
{{- if not .existingSecret.name -}}
{{- $faults = append $faults (printf "workos.existingSecret.name: name a Secret of the namespace %s that holds the WorkOS API key: kubectl create secret generic workos -n %s --from-file=%s=<file with the key>" $.Release.Namespace $.Release.Namespace .existingSecret.key) -}}
{{- end -}}
{{- end -}}
{{- with $values.routing -}}
{{- if and (eq .kind "ingress") (not .controllerNamespace) -}}
{{- $faults = append $faults "routing.controllerNamespace: set it to the namespace in which your Ingress controller runs, such as traefik: the tenants' network policies let in no other" -}}
{{- end -}}
{{- if and (eq .kind "gateway") (not (and .gateway.namespace .gateway.name)) -}}
{{- $faults = append $faults "routing.gateway.namespace and routing.gateway.name: name the Gateway that the tenants' routes attach to; routing.kind is gateway" -}}
{{- end -}}
{{- if and (eq .kind "gateway") .ingress.annotations -}}
{{- $faults = append $faults "routing.ingress.annotations: remove them; with routing.kind gateway there are no Ingresses" -}}
{{- end -}}
{{- if and (eq .mode "host") $values.baseUrl -}}
{{- $url := urlParse $values.baseUrl -}}
{{- if or (regexMatch "^[0-9.]+$" $url.hostname) (contains ":" $url.hostname) -}}
{{- $faults = append $faults (printf "baseUrl: give it a domain; with routing.mode host each tenant has a host below it, which the address %s cannot have" $url.hostname) -}}
{{- end -}}
{{- if trimAll "/" $url.path -}}
{{- $faults = append $faults "baseUrl: remove its path, or set routing.mode to path; with routing.mode host a tenant has a host of its own" -}}
{{- end -}}
{{- if and $values.admin.host (hasSuffix (printf ".%s" $url.hostname) $values.admin.host) -}}
{{- $label := trimSuffix (printf ".%s" $url.hostname) $values.admin.host -}}
{{- if not (or (contains "." $label) (has $label (list "admin" "api" "auth" "console" "default" "kube-system" "system" "tenantry" "www"))) -}}
{{- $faults = append $faults (printf "admin.host: take a host that no tenant can have, such as admin.%s; a tenant may be called %s" $url.hostname $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\nThese values cannot be installed:\n  - %s\n" (join "\n  - " $faults)) -}}
{{- end -}}
{{- end }}
