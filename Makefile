# Every command of the node. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := cli,serving,training,backtest,worker,simulator,dev

.DEFAULT_GOAL := help
.PHONY: help install demo run test lint bench chaos month fuzz lock sbom clean

help: ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

install: $(VENV)/.installed ## install what is missing into .venv

$(VENV)/.installed: pyproject.toml requirements.txt deploy/install-torch.sh
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "error: $(PYTHON) must be Python 3.11, 3.12 or 3.13; name another with make PYTHON=…" >&2; exit 1; }
	@echo "installing into $(VENV), once; this takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@deploy/install-torch.sh $(BIN)/python
	@$(BIN)/python -m pip install --quiet --constraint requirements.txt --editable '.[$(EXTRAS)]'
	@touch $@

demo: install ## run the whole node offline: simulated exchange and chain (DEMO_SECONDS=90 ends it, CANDLES=DIR replays a record)
	@exec $(BIN)/python -m simulator.demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS)) $(if $(CANDLES),--candles $(CANDLES))

run: install ## run the node against Binance, without Docker
	@$(BIN)/allora-node config check
	@PATH="$(CURDIR)/$(BIN):$$PATH" ENDS_WITH=$$$$ exec $(BIN)/honcho start --env /dev/null updater inference worker

test: lint ## lint, types, layers and the whole test suite, offline
	@$(BIN)/python -m pytest

lint: install ## style, types, the direction of imports, known dangers, and the containers' files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive .
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@! docker compose version >/dev/null 2>&1 || docker compose config --quiet

bench: install ## benchmarks, each with its yardstick in the same run
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; PYTHONPATH=$(CURDIR) $(BIN)/python $$file || exit 1; done

chaos: install ## kill a node's processes at random moments and check every promise after each (KILLS=1000 SEED=1)
	@KILLS=$(or $(KILLS),1000) SEED=$(or $(SEED),1) $(BIN)/python -m tests.system.chaos

month: install ## live through a month in simulated time, full of troubles, and check every promise (SEED=1 DAYS=30 STEP=60 minutes)
	@SEED=$(or $(SEED),1) DAYS=$(or $(DAYS),30) STEP=$(or $(STEP),60) $(BIN)/python -m tests.system.month

fuzz: install ## search for bytes that a parser or inference cannot take (SECONDS=60 TARGET=all)
	@$(BIN)/python -m tests.system.fuzz $(or $(TARGET),all) --seconds $(or $(SECONDS),60)

lock: install ## write requirements.txt anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --all-extras --no-header --annotation-style line pyproject.toml | sed 's/+cpu//' > requirements.txt.new
	@mv requirements.txt.new requirements.txt

sbom: install ## write build/sbom.json: everything that requirements.txt pins, as CycloneDX
	@$(BIN)/python -m pip install --quiet uv
	@mkdir -p build
	@PYTHONWARNINGS=ignore $(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
		--pyproject pyproject.toml --output-reproducible --output-format JSON --output-file build/sbom.json requirements.txt

clean: ## remove what the commands above made, but neither data nor models
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
