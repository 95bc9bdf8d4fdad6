# Two commands are all the set-up: `make run` and `make test`. Needs Python 3.11 or newer and a package index.
# Every path is relative, so the clone may lie in a folder with spaces in its name.

PYTHON = .venv/bin/python
ARGS =
OLLAMA =
MODELS = smollm2:135m

.PHONY: help run test soak test-real check format documents pictures bench-startup bench-stream bench-drawing bench-outputs bench-batch bench-size setup clean

help:
	@echo 'make run [ARGS="--host URL …"]   start the program'
	@echo 'make test [ARGS="-k word …"]     run the tests'
	@echo 'make test-real OLLAMA=http://HOST:PORT [MODELS="NAME …"]   run the tests that need a real Ollama'
	@echo 'make soak                        kill the program at 200 moments in place of 20: nothing that was kept may be lost'
	@echo 'make check                       style, types, and which part may import which'
	@echo 'make format                      put the code into its style'
	@echo 'make documents                   write the tables of docs/ from the rules they are about'
	@echo 'make pictures                    draw screenshots/*.svg from the running program'
	@echo 'make bench-startup               start-up time and idle memory beside a bare Textual program'
	@echo 'make bench-stream                cost of a streaming answer beside Textual'"'"'s own Markdown'
	@echo 'make bench-drawing               longest single drawing of a streaming answer'
	@echo 'make bench-outputs               saving, listing and searching with 100,000 records'
	@echo 'make bench-batch                 throughput of a batch beside bare httpx'
	@echo 'make bench-imports               import of the library beside httpx and pydantic'
	@echo 'make bench-pulls                 what a running pull costs, at a real rate and at 10,000 lines a second'
	@echo 'make bench-size                  installed size of the core'
	@echo 'make setup                       install again (after adding a system library, say)'
	@echo 'make clean                       remove .venv and what tests leave behind'

run: .venv/.installed-run
	@$(PYTHON) -m codomyrmex_ollama_tui $(ARGS)

# Models that tests fetch stay in .cache, so that only the first run downloads them. Files of tests run side by side, a
# process for each core; ARGS="-n 0" runs them in one.
test: .venv/.installed-dev
	@COTUI_REAL_OLLAMA= COTUI_TEST_MODELS="$(CURDIR)/.cache/models" $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

# Pulls nothing; makes and deletes only names that begin with cotui-test-.
test-real: .venv/.installed-dev
	@test -n "$(OLLAMA)" || { echo 'Name a server: make test-real OLLAMA=http://HOST:PORT'; exit 2; }
	@COTUI_REAL_OLLAMA="$(OLLAMA)" COTUI_REAL_MODELS="$(MODELS)" $(PYTHON) -m pytest tests/real -m real $(ARGS)

# Long runs of what `make test` does a few times.
soak: .venv/.installed-dev
	@COTUI_KILLS=200 COTUI_TEST_MODELS="$(CURDIR)/.cache/models" $(PYTHON) -m pytest tests/e2e/test_killed.py $(ARGS)

check: .venv/.installed-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict
	.venv/bin/lint-imports

format: .venv/.installed-dev
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

documents: .venv/.installed-run
	$(PYTHON) scripts/documents.py

pictures: .venv/.installed-dev
	$(PYTHON) scripts/pictures.py

bench-startup: .venv/.installed-dev
	$(PYTHON) -m benchmarks.startup
	$(PYTHON) -m benchmarks.probe.measure startup

bench-stream: .venv/.installed-dev
	$(PYTHON) -m benchmarks.probe.measure stream 400 50
	$(PYTHON) -m benchmarks.probe.measure stream 4000 300

bench-drawing: .venv/.installed-dev
	$(PYTHON) -m benchmarks.transcript_drawing

bench-outputs: .venv/.installed-dev
	$(PYTHON) -m benchmarks.outputs

bench-batch: .venv/.installed-dev
	$(PYTHON) -m benchmarks.batch

bench-imports: .venv/.installed-dev
	$(PYTHON) -m benchmarks.imports

bench-pulls: .venv/.installed-dev
	$(PYTHON) -m benchmarks.pulls

bench-size: .venv/.installed-run
	$(PYTHON) -m benchmarks.install_size

setup:
	@rm -f .venv/.installed-run .venv/.installed-dev
	@$(MAKE) --no-print-directory .venv/.installed-run

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache snapshot_report.html

.venv/.installed-run: pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh run

.venv/.installed-dev: .venv/.installed-run
	@sh scripts/setup.sh dev
