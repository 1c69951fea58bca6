# The targets that people and CI run; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
FLICKR := ../shared/data/flickr8k
WEIGHTS := ../shared/data/weights
MOBILENET := tflite:$(WEIGHTS)/mobilenet_v2_1.0_224_quant.tflite\#MobilenetV2/Logits/AvgPool

.PHONY: help demo test test-all old-runtime check fix bench-flickr bench-retrieval bench-scale test-web conformance wheel clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[maker,dev]'
	touch $@

demo: $(VENV)/installed  ## Draw the sample corpus, build a searcher from scratch, ask it three questions
	$(BIN)/maker sample $(DEMO)/scenes
	$(BIN)/maker build --images $(DEMO)/scenes --captions $(DEMO)/scenes/captions.tsv --image-encoder scratch \
	  --output $(DEMO)/searcher.tflite --overwrite
	$(BIN)/maker search $(DEMO)/searcher.tflite \
	  "an orange balloon floats above two brown whales on the sea" "two orange birds fly above a red umbrella in the city" \
	  "a black cat next to a red car in the forest" --images $(DEMO)/scenes --contact-sheet $(DEMO)/contact_sheet.png

test: $(VENV)/installed old-runtime  ## Run the default tests
	$(BIN)/pytest -m "not slow"

test-all: $(VENV)/installed old-runtime  ## Run all tests
	$(BIN)/pytest

# The last CPython that tflite-runtime has wheels for is 3.11; without one the test that wants it says so.
OLD_PYTHON := $(firstword $(foreach p,python3.11 python3.10,$(shell command -v $(p) 2>/dev/null)))
old-runtime:  ## Make the virtual environment of tflite-runtime 2.14, on which files are tested too
	@if [ -n "$(OLD_PYTHON)" ] && [ ! -e .venv-tflite-2.14/installed ]; then \
	  $(OLD_PYTHON) -m venv .venv-tflite-2.14 && \
	  .venv-tflite-2.14/bin/pip install --quiet --disable-pip-version-check tflite-runtime==2.14.0 'numpy<2' && \
	  touch .venv-tflite-2.14/installed || echo "old-runtime: tflite-runtime 2.14 could not be installed"; fi

check: $(VENV)/installed  ## Check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/installed  ## Format and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-flickr: $(VENV)/installed  ## Build on Flickr8k twice (cold, then cached) and evaluate the file
	rm -rf build/flickr && mkdir -p build/flickr
	for run in cold cached; do \
	  if [ $$run = cached ]; then rm -f build/flickr/searcher.work/encoder-* build/flickr/searcher.work/head-*; fi; \
	  echo "== $$run"; \
	  $(BIN)/maker build --images $(FLICKR) --captions $(FLICKR)/captions.tsv --language en --image-encoder "$(MOBILENET)" \
	    --output build/flickr/searcher.tflite --overwrite || exit 1; \
	done
	$(BIN)/maker evaluate build/flickr/searcher.tflite --images $(FLICKR) --captions $(FLICKR)/captions.tsv --split val --language en

bench-retrieval: $(VENV)/installed  ## Retrieval on Flickr8k by language, recipe and seed, and with misspelt queries
	$(BIN)/python -m tests.benchmarks.retrieval --flickr $(FLICKR) --image-encoder "$(MOBILENET)"

bench-scale: $(VENV)/installed  ## Index 1,000,000 x 128: seconds, peak memory, latency
	$(BIN)/python -m tests.benchmarks.scale

LITERT := maker/preview/web/vendor/litert/index.js
$(LITERT): maker/preview/package-lock.json $(VENV)/installed
	$(BIN)/python -m maker.preview.vendor

test-web: $(VENV)/installed $(LITERT)  ## Test the preview in headless Chromium (needs Node 20 and chromium)
	npm ci --prefix tests/web --ignore-scripts --no-audit --no-fund
	node tests/web/run.mjs --python $(BIN)/python

conformance: $(VENV)/installed  ## Compare task with the Task Library itself (tflite-support 0.4.4, CPython 3.9 to 3.11)
	$(BIN)/python tests/conformance/run.py

wheel: $(VENV)/installed $(LITERT)  ## Build the wheel, the web page's parts in it
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## Remove what the targets made, the virtual environment excepted
	rm -rf $(DEMO) build dist *.egg-info
