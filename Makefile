# `make test` and `make demo` are all a newcomer needs; each installs what it lacks or says so in one line.

CARGO ?= cargo
export QUITTANCE_TEST_PYTHON ?= $(CURDIR)/target/python/bin/python
export QUITTANCE_TEST_NODE_MODULES ?= $(CURDIR)/target/node/node_modules
export QUITTANCE_TEST_LOCALSTRIPE ?= $(CURDIR)/target/localstripe/bin/localstripe

.DEFAULT_GOAL := help
.PHONY: help test matrix demo addon addon-test addon-package chart chart-readme containers schemathesis bench lint deny machete sbom reproducible coverage

help: ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## Run every test, against a Postgres of its own.
	@scripts/prepare.sh postgres python nodejs localstripe faketime
	$(CARGO) test --workspace --exclude quittance-containers --features quittance/vault,quittance/otlp --no-fail-fast

matrix: ## Kill the service at every step and break everything around it; also in target/matrix.txt.
	@scripts/prepare.sh postgres
	@rm -f target/matrix.txt
	$(CARGO) test --test main matrix:: -- --nocapture
	@tail -n 1 target/matrix.txt

demo: ## Watch the whole thing on this machine, no account anywhere; KEEP=1 leaves it running.
	@scripts/prepare.sh postgres
	$(CARGO) build --bin quittance
	$(CARGO) run --quiet --package quittance-sandbox --bin demo -- $(if $(KEEP),--keep)

chart: ## Render the chart in all its shapes, and hold it, its alerts and the Dockerfile against schemas, policies and what was reviewed.
	@scripts/prepare.sh chart
	target/chart/bin/pytest -c tests/chart/pytest.ini tests/chart

chart-readme: ## Write the table of values into the chart's README.
	@scripts/prepare.sh chart
	target/chart/bin/python scripts/chart_readme.py

containers: ## Build the image and run it in containers as the chart does; FILTER=load for a part, KEEP=1 leaves images and engine.
	@scripts/containers.sh $(FILTER)

schemathesis: ## Hold the running service against its own contract: no 500, no undocumented answer.
	@scripts/prepare.sh postgres schemathesis
	$(CARGO) build --bin quittance
	$(CARGO) run --quiet --package quittance-sandbox --bin beside -- scripts/schemathesis.sh

bench: ## Measure webhooks, events, payments, authentication, the ledger, memory, keys, start-up and what is left on disk; also in target/bench.json. PARTS=events for one part.
	@scripts/prepare.sh postgres pgbench
	$(CARGO) build --release --bin quittance
	$(CARGO) run --quiet --release --package quittance-sandbox --bin bench -- $(PARTS)

lint: ## Check format, lints and documentation; warnings are errors.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features quittance/vault,quittance/otlp -- -D warnings
	$(CARGO) clippy --package quittance --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items

addon: ## Lint the addon for Odoo and hold it, its package and its words against what it must be, without an Odoo.
	@scripts/prepare.sh addon
	target/addon-python/bin/ruff format --check --quiet odoo
	target/addon-python/bin/ruff check --quiet odoo
	target/addon-python/bin/pylint --score=no --rcfile=odoo/.pylintrc odoo/payment_quittance
	target/addon-python/bin/python odoo/gate.py

addon-test: ## Run the addon's tests in a real Odoo: ODOO_SRC names its tree, ODOO_PYTHON an interpreter that can run it.
	@odoo/test.sh

addon-package: ## Write the addon's packages for Odoo 18 and 19 to target/addon.
	@scripts/prepare.sh addon
	@target/addon-python/bin/python odoo/package.py

deny: ## Check licences, sources and duplicates of dependencies, and advisories where their database is in reach.
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check bans licenses sources
	@if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny check --disable-fetch advisories; \
	else echo "advisories: NOT CHECKED, their database is out of reach"; fi

machete: ## Look for dependencies that nothing uses.
	@command -v cargo-machete >/dev/null || $(CARGO) install --locked cargo-machete
	$(CARGO) machete --with-metadata

sbom: ## Write down all that the lock file names, in CycloneDX, to target/quittance.cdx.json.
	@scripts/prepare.sh syft
	@SYFT_CHECK_FOR_APP_UPDATE=false target/syft/bin/syft scan file:Cargo.lock --quiet --source-name quittance \
		--source-version "$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" --output cyclonedx-json=target/quittance.cdx.json
	@echo "$$(grep -o '"purl"' target/quittance.cdx.json | wc -l) packages in target/quittance.cdx.json"

reproducible: ## Build the release twice in different places, and compare.
	@scripts/reproducible.sh

coverage: ## Run the tests with coverage and report the lines of src/.
	@scripts/prepare.sh postgres python nodejs
	@scripts/coverage.sh
