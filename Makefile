# Two commands matter: `make app` and `make test`. Both can be repeated; a finished step is skipped.
PYTHON ?= python3
PORT ?= 7860
EVAL_N ?= 500
PB ?= $(wildcard ../shared/data/parallel_bench)
BIN := .venv/bin
READY := .venv/ready

.PHONY: app test lint eval card gallery bench screenshots clean
.DEFAULT_GOAL := app

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dlmviz needs Python 3.11 or newer: set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

app: $(READY) ## environment, install, built-in model, app at 127.0.0.1:7860
	$(BIN)/python app.py --port $(PORT)

test: $(READY) ## linters, types and every test that this machine can run
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/mypy

eval: $(READY) ## the model cards' scores, in one run a model: benchmarks/results/model_card*.json
	$(BIN)/python -m benchmarks.evaluate --n $(EVAL_N) $(if $(PB),--parallel-bench $(PB))
	$(BIN)/python -m benchmarks.evaluate --n $(EVAL_N) --model tiny-early --out model_card_early

gallery: $(READY) ## the recorded runs that the app opens with
	$(BIN)/python -m benchmarks.gallery

card: $(READY) ## the model cards, from the results
	$(BIN)/python -m benchmarks.card

bench: $(READY) ## decode and start-up times: benchmarks/results/latency.json
	$(BIN)/python -m benchmarks.latency

screenshots: $(READY) ## the README's pictures
	$(BIN)/python -m benchmarks.screenshots

clean:
	rm -rf .venv build *.egg-info
