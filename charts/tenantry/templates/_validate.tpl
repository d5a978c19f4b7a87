{{/* Refuses values that would install something that cannot work. Every message names the value and the remedy. */}}
{{- define "tenantry.validate" -}}
{{- $values := .Values -}}
{{- $faults := list -}}
{{- $reserved := list "admin" "api" "auth" "console" "default" "kube-system" "system" "tenantry" "www" -}}
{{- if hasPrefix "tenant-" .Release.Namespace -}}
{{- $faults = append $faults (printf "the namespace %q: install into another namespace, such as tenantry-system; names that begin with tenant- are reserved for the namespaces of tenants" .Release.Namespace) -}}
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
{{- if not .platformOrganizationId -}}
{{- $faults = append $faults "workos.platformOrganizationId: set it to the WorkOS organization of your platform's administrators, org_... (WorkOS dashboard, Organizations)" -}}
{{- end -}}
{{- if not .existingSecret.name -}}
{{- $faults = append $faults (printf "workos.existingSecret.name: name a Secret of the namespace %s that holds the WorkOS API key: kubectl create secret generic workos -n %s --from-file=%s=<file with the key>" $.Release.Namespace $.Release.Namespace .existingSecret.key) -}}
{{- end -}}
{{- end -}}
{{- with $values.controlPlane.existingSecret -}}
{{- if not .name -}}
{{- $faults = append $faults (printf "controlPlane.existingSecret.name: name a Secret of the namespace %s that holds the URL of the control plane's database and the key that signs the audit: kubectl create secret generic control-plane -n %s --from-file=%s=<file with the URL> --from-file=%s=<file that openssl genpkey -algorithm ed25519 wrote>" $.Release.Namespace $.Release.Namespace .storeUrlKey .auditKeyKey) -}}
{{- end -}}
{{- end -}}
{{- with $values.routing -}}
{{- if and (eq .kind "ingress") (not .controllerNamespace) -}}
{{- $faults = append $faults "routing.controllerNamespace: set it to the namespace in which your Ingress controller runs, such as traefik; the network policies of tenants admit requests only from there" -}}
{{- end -}}
{{- if and (eq .kind "gateway") (not (and .gateway.namespace .gateway.name)) -}}
{{- $faults = append $faults "routing.gateway.namespace and routing.gateway.name: name the Gateway that the tenants' routes attach to, because routing.kind is gateway" -}}
{{- end -}}
{{- if and (eq .kind "gateway") .ingress.annotations -}}
{{- $faults = append $faults "routing.ingress.annotations: remove them, because with routing.kind gateway there are no Ingresses" -}}
{{- end -}}
{{- if and (eq .kind "ingress") (or .gateway.namespace .gateway.name .gateway.sectionName) -}}
{{- $faults = append $faults "routing.gateway: remove its values, or set routing.kind to gateway. With routing.kind ingress there are no HTTPRoutes" -}}
{{- end -}}
{{- if and (eq .mode "host") $values.baseUrl -}}
{{- $url := urlParse $values.baseUrl -}}
{{- if or (regexMatch "^[0-9.]+$" $url.hostname) (contains ":" $url.hostname) -}}
{{- $faults = append $faults (printf "baseUrl: give it a domain. With routing.mode host each tenant has a subdomain, and the address %s has none" $url.hostname) -}}
{{- end -}}
{{- if trimAll "/" $url.path -}}
{{- $faults = append $faults "baseUrl: remove its path, or set routing.mode to path. With routing.mode host the URLs of tenants have no common path" -}}
{{- end -}}
{{- if and $values.admin.host (hasSuffix (printf ".%s" $url.hostname) $values.admin.host) -}}
{{- $label := trimSuffix (printf ".%s" $url.hostname) $values.admin.host -}}
{{- if not (or (contains "." $label) (has $label $reserved)) -}}
{{- $faults = append $faults (printf "admin.host: take a host that no tenant can have, such as admin.%s. A tenant may have the name %s" $url.hostname $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $values.admin.host (eq $values.admin.host (urlParse $values.baseUrl).hostname) -}}
{{- $faults = append $faults (printf "admin.host: take another host than that of baseUrl, such as admin.%s" $values.admin.host) -}}
{{- end -}}
{{- with $values.verify.address -}}
{{- $port := regexFind "[0-9]+$" . | trimPrefix "0" | int -}}
{{- if or (lt $port 1) (gt $port 65535) -}}
{{- $faults = append $faults (printf "verify.address: %s needs a port from 1 to 65535, such as traefik.traefik.svc:443" .) -}}
{{- end -}}
{{- end -}}
{{- with $values.database.cidr -}}
{{- $v4 := "^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\\.|/)){4}(3[0-2]|[12]?[0-9])$" -}}
{{- $v6 := "^[0-9a-fA-F:]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" -}}
{{- if not (or (regexMatch $v4 .) (regexMatch $v6 .)) -}}
{{- $faults = append $faults (printf "database.cidr: %s is not a range of addresses. Write it as <address>/<bits>, such as 10.0.0.5/32" .) -}}
{{- end -}}
{{- end -}}
{{- if has $values.smokeTest.tenant $reserved -}}
{{- $faults = append $faults (printf "smokeTest.tenant: the name %s is reserved. Take another name, such as helm-test" $values.smokeTest.tenant) -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\nThese values cannot be installed:\n  - %s\n" (join "\n  - " $faults)) -}}
{{- end -}}
{{- end }}
