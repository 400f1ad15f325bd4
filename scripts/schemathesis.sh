#!/usr/bin/env bash
# Holds a running service against its own contract: no 500, no undocumented answer. See sandbox/src/bin/beside.rs.
# What comes without a good key is not among the checks: after twenty failures its address gets 429. tests/keys walks every route for that.
set -euo pipefail
cd "$(dirname "$0")/.."

target/schemathesis/bin/schemathesis run "$QUITTANCE_URL/openapi.json" \
  --header "Authorization: Bearer $QUITTANCE_API_KEY" \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method \
  --phases examples,coverage,fuzzing,stateful --max-examples 20 --generation-deterministic --seed 1 \
  --continue-on-failure --suppress-health-check all --warnings off --no-color "$@"
