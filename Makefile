# The targets that people and CI run; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# The data that is not in the repository: docs/data.md. Tests and benchmarks read the same variable.
POCKET_SEARCHER_DATA ?= ../shared/data
export POCKET_SEARCHER_DATA
FLICKR := $(POCKET_SEARCHER_DATA)/flickr8k
MOBILENET_FILE := $(POCKET_SEARCHER_DATA)/weights/mobilenet_v2_1.0_224_quant.tflite
MOBILENET := tflite:$(MOBILENET_FILE)\#MobilenetV2/Logits/AvgPool

.PHONY: help demo test test-all test-faults test-ray coverage old-runtime check fix bench bench-demo bench-million bench-partitioners bench-rounding bench-flickr bench-retrieval bench-languages bench-queries bench-scale bench-ten-million bench-history bench-operators bench-dimensions bench-cold bench-updates bench-threads bench-shards bench-ray bench-tokenizers bench-android bench-sound bench-video test-checkpoints bench-checkpoints test-web bench-page android test-portable conformance notebook docs wheel test-install install-matrix clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[maker,dev]'
	touch $@

demo: $(VENV)/installed  ## Draw the sample corpus, build a searcher from scratch, ask it four questions
	$(BIN)/maker sample $(DEMO)/scenes --scenes 7200
	$(BIN)/maker build --images $(DEMO)/scenes --captions $(DEMO)/scenes/captions.tsv --image-encoder scratch \
	  --output $(DEMO)/searcher.tflite --overwrite
	$(BIN)/maker search $(DEMO)/searcher.tflite "yellow car" "a purple whale on the sea" "a duck and a boat on the lake" \
	  "two orange birds fly above a red umbrella in the city" --min-relevance 0.5 --images $(DEMO)/scenes --contact-sheet $(DEMO)/contact_sheet.png

bench-demo: $(VENV)/installed  ## Measure what the searcher of `make demo` finds: typed queries by the truth of the generator, held-out captions
	if [ ! -e $(DEMO)/searcher.tflite ]; then $(MAKE) demo; fi
	$(BIN)/python -m tests.benchmarks.demo $(DEMO)

test: $(VENV)/installed old-runtime  ## Run the default tests
	$(BIN)/pytest -m "not slow"

test-all: $(VENV)/installed old-runtime  ## Run all tests but those of test-faults
	$(BIN)/pytest -m "not faults"

# Each failure names its seed and number; `COUNT=100 SEED=7 make test-faults` runs 100 cases a part of another seed.
test-faults: $(VENV)/installed  ## Kill, starve and damage what can be: killed builds, mutated files, a file replaced while it is searched; minutes
	$(BIN)/pytest tests/faults -m faults -rP --seed $(or $(SEED),1) $(if $(COUNT),--count $(COUNT))

$(VENV)/ray-installed: pyproject.toml | $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[ray]'
	touch $@

test-ray: $(VENV)/ray-installed  ## Embed shards on a Ray cluster of three nodes while two are killed, and compare with a local run
	$(BIN)/pytest tests/clusters

coverage: $(VENV)/installed old-runtime  ## Run the default tests and list the lines of task/ that no test runs; HTML report in build/coverage/html
	mkdir -p build/coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not slow"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet --skip-covered --skip-empty
	$(BIN)/coverage report --include 'task/*' --show-missing --skip-covered
	$(BIN)/coverage report --format total

# tflite-runtime has wheels up to CPython 3.11. Without such a CPython, the test that needs it is skipped.
OLD_PYTHON := $(firstword $(foreach p,python3.11 python3.10,$(shell command -v $(p) 2>/dev/null)))
old-runtime:  ## Create the virtual environment of tflite-runtime 2.14, with which files are tested too
	@if [ -n "$(OLD_PYTHON)" ] && [ ! -e .venv-tflite-2.14/installed ]; then \
	  $(OLD_PYTHON) -m venv .venv-tflite-2.14 && \
	  .venv-tflite-2.14/bin/pip install --quiet --disable-pip-version-check tflite-runtime==2.14.0 'numpy<2' && \
	  touch .venv-tflite-2.14/installed || echo "old-runtime: tflite-runtime 2.14 could not be installed"; fi

check: $(VENV)/installed  ## Check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/installed  ## Format and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# openwakeword 0.5.1 is the newest release whose wheel holds the models (Apache-2.0); only that file is downloaded.
OPENWAKEWORD := build/sound/openwakeword
$(OPENWAKEWORD)/embedding_model.tflite: | $(VENV)/installed
	mkdir -p $(OPENWAKEWORD)
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --dest $(OPENWAKEWORD) openwakeword==0.5.1
	$(BIN)/python -m zipfile -e $(OPENWAKEWORD)/openwakeword-0.5.1-py3-none-any.whl $(OPENWAKEWORD)/wheel
	mv $(OPENWAKEWORD)/wheel/openwakeword/resources/models/melspectrogram.tflite $(OPENWAKEWORD)
	mv $(OPENWAKEWORD)/wheel/openwakeword/resources/models/embedding_model.tflite $(OPENWAKEWORD)

bench-sound: $(OPENWAKEWORD)/embedding_model.tflite  ## Measure what words and sounds find among synthesised sounds, with both sound encoders, three seeds each; downloads openwakeword
	$(BIN)/python -m tests.benchmarks.sounds --openwakeword $(OPENWAKEWORD)

bench-video: $(MOBILENET_FILE) $(VENV)/installed  ## Measure reading and embedding frames of a drawn video; time and bytes of 100 hours
	$(BIN)/python -m tests.benchmarks.videos --image-encoder "$(MOBILENET)"

# The other libraries are in their own environment. The table leaves out those that cannot be installed.
PEERS := build/bench/venv
$(PEERS)/installed: tests/benchmarks/peers/requirements.txt $(VENV)/installed
	$(BIN)/python -m venv $(PEERS)
	grep -v '^#' $< | while read -r requirement; do \
	  $(PEERS)/bin/pip install --quiet --disable-pip-version-check "$$requirement" || echo "bench: $$requirement could not be installed"; done
	touch $@

bench: $(PEERS)/installed  ## Compare with other libraries at 123,287 x 128: recall, latency, size, build, memory; table and plots in build/bench
	if [ -d "$(FLICKR)" ] && [ ! -e build/flickr/searcher.tflite ]; then $(MAKE) bench-flickr; fi
	$(BIN)/python -m tests.benchmarks.peers.run

bench-million: $(PEERS)/installed  ## The fastest ones again at 1,000,000 x 128 with generated data; an hour, because all build on one thread
	$(BIN)/python -m tests.benchmarks.peers.run --data clustered,heavy --items 1000000 --rounds 2 --minutes 15 --peers faiss-ivf-sq8,scann,hnswlib

bench-partitioners: $(VENV)/installed  ## Compare ScaNN's leaves with ours, with and without queries to learn from: recall by scanned rows
	if [ -d "$(FLICKR)" ] && [ ! -e build/flickr/searcher.tflite ]; then $(MAKE) bench-flickr; fi
	$(BIN)/python -m tests.benchmarks.partitioners
	$(BIN)/python -m tests.benchmarks.partitioners --data minilm --items 24000

bench-rounding: $(VENV)/installed  ## Compare ways to round rows, ScaNN's anisotropic one among them: recall when all rows are scanned
	if [ -d "$(FLICKR)" ] && [ ! -e build/flickr/searcher.tflite ]; then $(MAKE) bench-flickr; fi
	$(BIN)/python -m tests.benchmarks.rounding

# Stops with one line if a file of docs/data.md is missing.
$(FLICKR)/captions.tsv $(MOBILENET_FILE):
	@echo "$@ is not here; docs/data.md says how to get it" >&2; exit 1

bench-flickr: $(FLICKR)/captions.tsv $(MOBILENET_FILE) $(VENV)/installed  ## Build on Flickr8k twice (cold, then cached) and evaluate the file
	rm -rf build/flickr && mkdir -p build/flickr
	for run in cold cached; do \
	  if [ $$run = cached ]; then rm -f build/flickr/searcher.work/encoder-* build/flickr/searcher.work/head-*; fi; \
	  echo "== $$run"; \
	  $(BIN)/maker build --images $(FLICKR) --captions $(FLICKR)/captions.tsv --language en --image-encoder "$(MOBILENET)" \
	    --output build/flickr/searcher.tflite --overwrite || exit 1; \
	done
	$(BIN)/maker evaluate build/flickr/searcher.tflite --images $(FLICKR) --captions $(FLICKR)/captions.tsv --split val --language en

bench-retrieval: $(FLICKR)/captions.tsv $(MOBILENET_FILE) $(VENV)/installed  ## Measure what is found on Flickr8k: frozen encoders, short queries, each with three seeds; more than an hour
	$(BIN)/python -m tests.benchmarks.retrieval.run

bench-languages: $(FLICKR)/captions.tsv $(MOBILENET_FILE) $(VENV)/installed  ## Measure retrieval on Flickr8k by language and recipe, with fewer dimensions, and with misspelt queries; hours
	$(BIN)/python -m tests.benchmarks.retrieval.languages --flickr $(FLICKR) --image-encoder "$(MOBILENET)"

bench-queries: $(FLICKR)/captions.tsv $(MOBILENET_FILE) $(VENV)/installed  ## Measure what exclusions, and pictures with a word, find on Flickr8k
	if [ ! -e build/flickr/searcher.tflite ]; then $(MAKE) bench-flickr; fi
	$(BIN)/python -m tests.benchmarks.queries --flickr $(FLICKR)

bench-scale: $(VENV)/installed  ## Index 1,000,000 x 128: seconds, peak memory, latency
	$(BIN)/python -m tests.benchmarks.scale

bench-ten-million: $(VENV)/installed  ## The same for 10,000,000 x 64, more than fits in memory; needs 3 GB in the temporary folder
	$(BIN)/python -m tests.benchmarks.scale --items 10000000 --dimension 64

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
bench-history: $(VENV)/installed  ## Write the figures of the benchmarks to docs/benchmarks/<version>.json
	$(BIN)/python -m tests.benchmarks.history $(VERSION)

bench-operators: $(VENV)/installed  ## Measure each operator of a search at 123,287 x 128, and what TextSearcher adds
	$(BIN)/python -m tests.benchmarks.operators

bench-dimensions: $(VENV)/installed  ## Measure the layouts of rows of 384, 512 and 1,280 dimensions on real vectors: bytes, recall, latency
	$(BIN)/python -m tests.benchmarks.dimensions

bench-cold: $(VENV)/installed  ## Open a searcher of 1,000,000 x 128 in new processes: time to the first result, memory
	$(BIN)/python -m tests.benchmarks.cold_start

bench-threads: $(VENV)/installed  ## Measure queries of an on-device ScaNN index with one thread and with two
	$(BIN)/python -m tests.benchmarks.scann_threads

bench-shards: $(VENV)/installed  ## Measure 20 searchers that are searched as one against the sum of their searches
	$(BIN)/python -m tests.benchmarks.shards

bench-ray: $(VENV)/ray-installed  ## Embed 20,000 drawn pictures on a Ray cluster: killed nodes, memory of the driver, 1, 2 and 3 actors
	$(BIN)/python -m tests.benchmarks.ray_cluster

bench-tokenizers: $(VENV)/installed  ## Compare the tokenizers in the graph with their libraries: all captions of Flickr8k, 20,000 adversarial strings, times
	$(BIN)/python -m tests.benchmarks.tokenizers

test-checkpoints: $(VENV)/installed  ## Compare encoders of the published shapes with PyTorch (installs it in build/checkpoints: 8 GB), and their pictures
	$(BIN)/python -m tests.checkpoints.run test

bench-checkpoints: $(VENV)/installed  ## Measure encoders of the published shapes: size with float32 and int8 weights, memory, time of a picture and of sentences
	$(BIN)/python -m tests.checkpoints.run bench

bench-updates: $(VENV)/installed  ## Measure filters and updates at 123,287 x 128: latency with a filter, and with an overlay
	$(BIN)/python -m tests.benchmarks.updates

LITERT := maker/preview/web/vendor/litert/index.js
$(LITERT): maker/preview/vendor.py maker/preview/package-lock.json | $(VENV)/installed
	$(BIN)/python -m maker.preview.vendor

CHROMIUM ?= $(firstword $(foreach b,chromium chromium-browser google-chrome,$(shell command -v $(b) 2>/dev/null)))
test-web: $(VENV)/installed $(LITERT)  ## Test the preview in headless Chromium (needs Node 20 and chromium)
	npm ci --prefix tests/web --ignore-scripts --no-audit --no-fund
	node tests/web/run.mjs --python $(BIN)/python --chromium "$(CHROMIUM)"
	$(BIN)/pytest -q tests/test_report.py -k chromium

bench-page: $(VENV)/installed $(LITERT)  ## Measure how fast the page adds photos, its memory, and queries meanwhile; 10,000 photos; half an hour
	npm ci --prefix tests/web --ignore-scripts --no-audit --no-fund
	node tests/web/bench.mjs --python $(BIN)/python --chromium "$(CHROMIUM)"

# The app contains an exported searcher, else that of `make demo`, else that of the tests.
ANDROID := build/android
android: $(VENV)/installed  ## Test the Android demo and build its APK without Gradle (needs JDK 17, gcc, aapt, zipalign, apksigner)
	$(BIN)/python android_demo/without_gradle/fixtures.py $(ANDROID)/fixtures
	if [ -e android_demo/app/src/main/assets/searcher.tflite ]; then true; \
	elif [ -e $(DEMO)/searcher.tflite ]; then $(BIN)/maker export-android $(DEMO)/searcher.tflite --images $(DEMO)/scenes android_demo; \
	else $(BIN)/maker export-android $(ANDROID)/fixtures/sample.tflite --images $(ANDROID)/fixtures/scenes android_demo; fi
	$(BIN)/python android_demo/without_gradle test --build $(ANDROID)
	$(BIN)/python android_demo/without_gradle apk --build $(ANDROID)

bench-android: $(VENV)/installed  ## Measure a search with 10,000 and 50,000 added items in the Kotlin library, on the JVM of this machine
	$(BIN)/python android_demo/without_gradle/benchmark/files.py $(ANDROID)/bench-files
	$(BIN)/python android_demo/without_gradle bench --build $(ANDROID)

test-portable: $(VENV)/installed  ## Test a searcher on every runtime: LiteRT old and new, TensorFlow, LiteRT.js, ARM64 under QEMU
	rm -rf build/portable/files
	$(BIN)/python -m tests.portable.run

conformance: $(VENV)/installed  ## Compare task with the Task Library (tflite-support 0.4.4, CPython 3.9 to 3.11)
	$(BIN)/python tests/conformance/run.py

notebook: $(VENV)/installed $(LITERT)  ## Run the notebooks on generated data: no error, no warning, no empty figure, R@10 of at least 90 %
	$(BIN)/python -m tests.notebooks.run colab/text_to_image_search.ipynb colab/bring_your_own_embeddings.ipynb

$(VENV)/docs-installed: pyproject.toml | $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

docs: $(VENV)/docs-installed  ## Build the documentation site in build/docs; a broken link or a file from another host is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --clean
	$(BIN)/python -m tests.documents.offline build/docs

wheel: $(VENV)/installed $(LITERT)  ## Build the wheel, with the files of the web page
	rm -rf dist build/lib build/bdist.*
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

test-install: wheel  ## Install the wheel on every installed CPython from 3.10 to 3.13: size, import time, a search
	$(BIN)/python -m tests.install.run dist/*.whl

install-matrix: wheel  ## Install this and other products on CPython 3.9 to 3.13: does each install, import and search? Takes an hour or two
	$(BIN)/python -m tests.install.matrix

clean:  ## Remove the files of all targets, except the virtual environments
	rm -rf $(DEMO) build dist *.egg-info
