# Two commands do everything: make demo, make test.
# uv is found on the PATH, or put into .tools first.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PYTHON ?= python3
# Without compiled bytecode every start of the server would compile the SDK again.
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
RUN = $(UV) run --no-sync

.PHONY: demo benchmark test search test-lowest conformance inspect lint format clean
.DEFAULT_GOAL := demo

demo: .venv/.synced ## make a clip with no account
	$(RUN) seedance-mcp demo

test: .venv/.synced ## the whole suite
	$(RUN) pytest -q -n 2

search: .venv/.synced ## look for a job lost or paid twice, elsewhere every time and for minutes
	$(RUN) pytest -q tests/stateful/test_purchases.py --search 300

test-lowest: $(UV) ## the suite again, on the lowest versions that pyproject.toml allows
	$(UV) venv --quiet --allow-existing .venv-lowest
	VIRTUAL_ENV=.venv-lowest $(UV) pip install --quiet --resolution lowest-direct --group dev -e '.[simulator]'
	.venv-lowest/bin/python -m pytest -q -n 2

conformance: .venv/.synced .conformance/.installed ## the official MCP conformance suite, over HTTP
	$(RUN) python -m conformance.run

inspect: .venv/.synced .conformance/.installed ## the MCP Inspector as a client, over stdio
	$(RUN) python -m conformance.inspector

lint: .venv/.synced ## formatting, ruff, pyright
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) pyright

benchmark: .venv/.synced ## figures, measured side by side in one run
	$(RUN) python benchmarks/ledger.py
	$(RUN) python -m benchmarks.images
	$(RUN) python -m benchmarks.schedule
	$(RUN) python -m benchmarks.waiting

format: .venv/.synced
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

.venv/.synced: pyproject.toml $(UV)
	$(UV) sync --quiet --all-extras
	touch $@

# Both tools, and the Node they need; npm itself may run on an older one.
.conformance/.installed: conformance/package.json
	mkdir -p .conformance
	cp conformance/package.json .conformance
	npm install --prefix .conformance --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet 'uv>=0.8,<1'

clean:
	rm -rf .venv .venv-lowest .tools .conformance .pytest_cache .ruff_cache .hypothesis dist
