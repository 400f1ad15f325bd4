{{/* What the schema cannot say in words: values that do not go together. */}}
{{- define "quittance.check" -}}
{{- $v := .Values }}
{{- if not $v.image.repository }}
{{- fail "image.repository is not set: there is no release yet; build the image, push it to a registry of yours, and say where it is" }}
{{- end }}
{{- if and $v.externalSecrets.enabled (not $v.externalSecrets.secretStoreRef.name) }}
{{- fail "externalSecrets.secretStoreRef.name is not set: name the SecretStore that holds the secrets" }}
{{- end }}
{{- $ways := list }}
{{- if $v.database.existingSecret }}{{ $ways = append $ways "database.existingSecret" }}{{ end }}
{{- if $v.database.cloudnativepg.enabled }}{{ $ways = append $ways "database.cloudnativepg.enabled" }}{{ end }}
{{- if and $v.externalSecrets.enabled $v.externalSecrets.database }}{{ $ways = append $ways "externalSecrets.database" }}{{ end }}
{{- if eq (len $ways) 0 }}
{{- fail "no database: set database.existingSecret to a Secret that holds its URL, or database.cloudnativepg.enabled, or externalSecrets.enabled and externalSecrets.database" }}
{{- end }}
{{- if gt (len $ways) 1 }}
{{- fail (printf "more than one database is named: leave only one of %s" (join " and " $ways)) }}
{{- end }}
{{- $keys := include "quittance.sealingSecret" . }}
{{- if and $v.externalSecrets.enabled $v.externalSecrets.sealing $v.sealing.existingSecret }}
{{- fail "the keys are named twice: leave only one of sealing.existingSecret and externalSecrets.sealing" }}
{{- end }}
{{- if and (not $keys) (or (eq $v.sealing.provider "file") $v.sealing.others) }}
{{- fail "sealing.existingSecret is not set: name a Secret whose entries are keys of 32 bytes in base64 (openssl rand -base64 32)" }}
{{- end }}
{{- if and (eq $v.sealing.provider "file") (has $v.sealing.current $v.sealing.others) }}
{{- fail (printf "sealing.others names %s, which is sealing.current: a key that wraps unwraps too" $v.sealing.current) }}
{{- end }}
{{- if and $v.externalSecrets.enabled $v.externalSecrets.sealing }}
{{- $named := ternary (append $v.sealing.others $v.sealing.current) $v.sealing.others (eq $v.sealing.provider "file") }}
{{- range $named }}
{{- if not (hasKey $v.externalSecrets.sealing .) }}
{{- fail (printf "sealing names the entry %s, which externalSecrets.sealing does not make" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq $v.sealing.provider "vault") (not $v.sealing.vault.address) }}
{{- fail "sealing.vault.address is not set, and sealing.provider is vault" }}
{{- end }}
{{- if and $v.sealing.vault.address (not (or $v.sealing.vault.existingSecret $v.sealing.vault.tokenFile)) }}
{{- fail "Vault has no token: set sealing.vault.existingSecret or sealing.vault.tokenFile" }}
{{- end }}
{{- range $name, $role := dict "serve" $v.serve "worker" $v.worker }}
{{- if and $role.autoscaling.enabled (gt (int $role.autoscaling.minReplicas) (int $role.autoscaling.maxReplicas)) }}
{{- fail (printf "%s.autoscaling.minReplicas is above maxReplicas" $name) }}
{{- end }}
{{- end }}
{{- if and $v.worker.autoscaling.enabled (eq $v.worker.autoscaling.via "keda") (not $v.worker.autoscaling.prometheusAddress) }}
{{- fail "worker.autoscaling.prometheusAddress is not set: KEDA asks Prometheus for the age of the oldest event" }}
{{- end }}
{{- range $name, $of := dict "ingress" $v.ingress "ingress.api" $v.ingress.api }}
{{- if and $of.enabled (not $of.host) }}{{ fail (printf "%s.host is not set" $name) }}{{ end }}
{{- end }}
{{- if and $v.ingress.enabled $v.ingress.api.enabled (eq $v.ingress.host $v.ingress.api.host) (eq $v.ingress.className $v.ingress.api.className) }}
{{- fail "ingress.api has the host and the class of ingress: the API would be as open to the Internet as the webhooks; give it a host or a class of its own" }}
{{- end }}
{{- range $name, $of := dict "httpRoute" $v.httpRoute "httpRoute.api" $v.httpRoute.api }}
{{- if and $of.enabled (not $of.parentRefs) }}{{ fail (printf "%s.parentRefs is not set: name the Gateway" $name) }}{{ end }}
{{- if and $of.enabled (not $of.hostnames) }}{{ fail (printf "%s.hostnames is not set" $name) }}{{ end }}
{{- end }}
{{- if and $v.httpRoute.enabled $v.httpRoute.api.enabled }}
{{- range $v.httpRoute.api.hostnames }}
{{- if has . $v.httpRoute.hostnames }}{{ fail (printf "httpRoute.api has the host %s of httpRoute: the API would be as open to the Internet as the webhooks; give it a host of its own" .) }}{{ end }}
{{- end }}
{{- end }}
{{- range $v.extraEnv }}
{{- if and (hasKey . "value") (regexMatch "(?i)(DATABASE_URL|SEALING_KEY|KEYS_PREVIOUS|PASSWORD|SECRET|TOKEN)$" .name) }}
{{- fail (printf "extraEnv gives %s as a plain value: secrets come from a Secret, by valueFrom" .name) }}
{{- end }}
{{- end }}
{{- end }}
