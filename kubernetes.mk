##@ Charts, images and clusters

# Included by the Makefile.
export CHARTS_DIR ?= $(HOME)/.cache/readmission/charts

.PHONY: charts
charts: $(VENV)/.installed ## render, lint and validate every chart for every environment, without a cluster; VALUES=site.yaml ENV=prod
	@$(BIN)/python scripts/charts.py check $(ENV) --values $(VALUES)

.PHONY: preflight
preflight: $(VENV)/.installed ## say what the current cluster lacks for an environment; ENV=dev VALUES=site.yaml
	@$(BIN)/python scripts/sizes.py needs $(or $(ENV),dev) $(VALUES) | scripts/preflight.py -

.PHONY: sizes
sizes: $(VENV)/.installed ## print what each environment requests, from what renders
	@$(BIN)/python scripts/sizes.py table

.PHONY: manifests
manifests: $(VENV)/.installed ## write the manifests of an environment in apply order, for GitOps: ENV=prod VALUES=site.yaml OUT=folder
	@$(BIN)/python scripts/manifests.py $(or $(ENV),dev) $(or $(OUT),build/manifests) $(VALUES)

.PHONY: charts-pull
charts-pull: $(VENV)/.installed ## download the charts of others into CHARTS_DIR (needs helm)
	@mkdir -p $(CHARTS_DIR)
	@$(BIN)/python scripts/charts.py pull $(CHARTS_DIR) | sh -ex

.PHONY: images
images: ## build the images, LOAD=kind|minikube|k3d or PUSH=registry/path; NAMES="inference demo", settings in scripts/images
	@LOAD="$(LOAD)" PUSH="$(PUSH)" scripts/images $(NAMES)

.PHONY: mirror-list
mirror-list: $(VENV)/.installed ## print every image and chart that an environment needs; ENV=prod
	@$(BIN)/python scripts/charts.py images $(or $(ENV),prod)

.PHONY: mirror
mirror: $(VENV)/.installed ## copy those images to a registry of your own: TO=registry.example.org/mirror OWN=registry/readmission
	@$(BIN)/python scripts/charts.py images $(or $(ENV),prod) | scripts/mirror "$(TO)" "$(OWN)"

.PHONY: e2e
e2e: $(VENV)/.installed ## install on the current cluster, prove that it works, remove it; settings in tests/e2e/README.md
	@$(BIN)/python tests/e2e/run.py
