# Targets for people; `make help` lists them. Everything from PyPI lands in .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: docs help install up down status dags bench-airflow test check format lock clean-state bench-pipeline bench-scale load bento fuzz bench bench-check capacity disrupt bench-naive rules dashboards

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

# The environment is as the lock says, each package checked against its hash. Compiled at once: every process would
# do it again where Python may write no bytecode (PYTHONDONTWRITEBYTECODE), and take 4 s to import instead of 1.
$(BIN)/uv:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed (make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

include kubernetes.mk

install: $(VENV)/.installed ## create the environment from the lock

up: $(VENV)/.installed ## start the system and run its main job; DETACH=1 returns when ready, AIRFLOW=1 lets Airflow do it, MONITORING=1 adds Prometheus
	@$(BIN)/readmission up $(if $(DETACH),--detach) $(if $(AIRFLOW),--airflow) $(if $(MONITORING),--monitoring)

down: $(VENV)/.installed ## stop the system
	@$(BIN)/readmission down

status: $(VENV)/.installed ## show every part, batch and the model
	@$(BIN)/readmission status

dags: $(VENV)/.installed ## run the whole chain of Airflow's DAGs once, with no scheduler; BATCHES=2 for the first two
	@$(BIN)/readmission dags $(if $(BATCHES),--batches $(BATCHES)) $(if $(SAMPLE),--sample)

bench-airflow: $(VENV)/.installed ## measure what the running embedded Airflow adds to a step
	@$(BIN)/python -m bench.pipeline.airflow

clean-state: $(VENV)/.installed ## stop the system and forget its state
	@$(BIN)/readmission down --forget

# Two processes, each with a file at a time (tests/conftest.py): many tests wait for servers to start.
test: $(VENV)/.installed ## run the tests; ARGS="tests/integration/api -k feedback"
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

load: $(VENV)/.installed ## load the API by a profile: PROFILE=course HOST=... ROWS=...
	@$(BIN)/python -m loadtest $(or $(PROFILE),smoke) $(if $(HOST),--host $(HOST)) $(if $(ROWS),--rows $(ROWS))

bench: $(VENV)/.installed ## measure the API beside what one would otherwise run: SOURCE=...
	@$(BIN)/python -m bench.serving run $(if $(SOURCE),--source $(SOURCE)) $(if $(WORKERS),--workers $(WORKERS))

bench-naive: $(VENV)/.installed ## measure ingest and process beside pandas, to_sql and row loops: SOURCE=...
	@$(BIN)/python -m bench.pipeline.naive $(if $(SOURCE),--source $(SOURCE))

bench-check: $(VENV)/.installed ## fail when the API is slower than stored, by ratios
	@$(BIN)/python -m bench.serving check

capacity: $(VENV)/.installed ## find how many users the API carries: HOST=... or WORKERS=1,2,4
	@$(BIN)/python -m bench.serving.capacity $(if $(HOST),--host $(HOST)) $(if $(WORKERS),--workers $(WORKERS))

disrupt: $(VENV)/.installed ## count failed requests while models are swapped and workers end
	@$(BIN)/python -m bench.serving.disrupt

check: $(VENV)/.installed ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

rules: $(VENV)/.installed ## write the objectives' rules from slo.yaml
	$(BIN)/python scripts/slo_rules.py

dashboards: $(VENV)/.installed ## write Grafana's dashboards from panels.yaml
	$(BIN)/python scripts/dashboards.py

format: $(VENV)/.installed ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed ## write the generated tables of the documentation
	@{ sed '/^| variable/,$$d' docs/settings.md; $(BIN)/readmission settings --markdown; } > docs/settings.md.new && mv docs/settings.md.new docs/settings.md

bench-pipeline: $(VENV)/.installed ## measure raw rows to a champion in a fresh folder; ARGS="--replicate 10"
	@$(BIN)/python -m bench.pipeline.steps $(ARGS)

bench-scale: $(VENV)/.installed ## measure process and train on Dask workers, on replicated rows; ARGS="--copies 98" for ten million
	@$(BIN)/python -m bench.pipeline.dask $(ARGS)

lock: $(BIN)/uv ## resolve the dependencies anew
	$(BIN)/uv pip compile -q --python-version 3.11 --all-extras --no-emit-index-url --no-emit-find-links --no-annotate \
		--generate-hashes --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock

bento: $(VENV)/.installed ## build the API as a Bento (into BENTOML_HOME)
	@rm -rf dist && $(BIN)/uv build -q --wheel --no-build-isolation --python $(BIN)/python -o dist .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/bentoml build

fuzz: $(VENV)/.installed ## send 100,000 wrong and half-right requests to the API: no 5xx, memory flat
	@FUZZ_REQUESTS=$(or $(N),100000) $(BIN)/pytest -s --timeout 3600 tests/integration/api/test_fuzz.py -k breaks
