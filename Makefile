# `make` lists the targets. uv is taken from the PATH, or installed into .tools first.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PYTHON ?= python3
# Without compiled bytecode, every start of the server would compile the SDK again.
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=
export UV_PYTHON_DOWNLOADS := never
RUN = $(UV) run --no-sync

.PHONY: help demo test stress odd-folders search test-lowest dist test-dist conformance inspect play browse apps hosting clients clients-python install-clients examples bundle packages docs lint workflows tagged format bench bench-callers clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z].*:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.synced ## make a simulated clip; needs no account
	$(RUN) seedance-mcp demo

# In memory where there is room, since each purchase waits for the disk several times.
test stress odd-folders test-lowest test-dist examples hosting apps: export TMPDIR := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR > 1 && $$4 > 4000000 { print $$6 }')

STRESSED = tests/cli tests/clips tests/end_to_end tests/inputs/test_preflight_limits.py tests/ledger \
	tests/mcp_server/test_callers.py \
	tests/models/test_family.py tests/outputs tests/processes tests/runcomfy/test_http.py \
	tests/service tests/simulator tests/stateful tests/test_http_heads.py

# Three workers for two cores, because a sixth of the time is spent waiting.
test: .venv/.synced ## run the test suite
	$(RUN) pytest -q -n 3

stress: .venv/.synced ## kill 370 real servers, let eight race 52 times, try 500 examples
	$(RUN) pytest -q -n 3 -m 'stress or not stress' --rounds 19 $(STRESSED)
	$(RUN) pytest -q -n 3 -m hypothesis --rounds 2
	$(RUN) pytest -q -n 3 -m stress tests/examples

# Its name has a space, quotes, an emoji, two CJK characters and bytes that are not UTF-8, which
# pytest-xdist cannot send to its workers.
odd-folders: export ODD = $(shell printf '/caf\351 "\377'"'"' \360\237\230\200 \346\230\240\345\203\217')
odd-folders: .venv/.synced ## run the end-to-end tests in folders with the oddest names
	folder=$$(mktemp -d) && mkdir "$$folder$$ODD" && HOME="$$folder$$ODD" TMPDIR="$$folder$$ODD" \
		.venv/bin/python -m pytest -q -m '' tests/end_to_end; code=$$?; rm -rf "$$folder"; exit $$code

search: .venv/.synced ## search ten minutes for a lost or twice paid job, with new random calls
	$(RUN) pytest -q tests/stateful/test_purchases.py --search 1000

test-lowest: $(UV) ## run the suite on the lowest versions that pyproject.toml allows
	$(UV) venv --quiet --allow-existing .venv-lowest
	VIRTUAL_ENV=.venv-lowest $(UV) pip install --quiet --resolution lowest-direct --group dev -e '.[video,postgres,observability]'
	UV_PROJECT_ENVIRONMENT=.venv-lowest $(RUN) python -m pytest -q -n 3

dist: $(UV) ## build the wheel and the sdist
	rm -f dist/*.whl dist/*.tar.gz
	$(UV) build --quiet
	$(UV) run --quiet --isolated --only-group dist twine check --strict dist/*.whl dist/*.tar.gz

# SUITE=--whole-suite runs all tests beside the installed wheel, not only the telling ones.
test-dist: dist .venv/.synced ## install both into empty environments, and test them there
	$(RUN) pytest -q distribution $(SUITE)

# Each client has an environment of its own, since they need different versions of the SDK.
PYTHON_CLIENTS = $(patsubst %,.clients/%/.checked,fastmcp langchain openai_agents pydantic_ai)

conformance: .venv/.synced .conformance/.installed ## run the official MCP conformance suite over HTTP
	$(RUN) python -m conformance.run

inspect: .venv/.synced .conformance/.installed ## run the MCP Inspector over stdio
	$(RUN) python -m conformance.inspector

play: .venv/.synced ## play joined clips in Chromium, which must be installed
	$(RUN) python -m conformance.playing

browse: .venv/.synced ## have a page in Chromium, which must be installed, make a clip from another origin
	$(RUN) python -m conformance.browsing

# Its environment has Playwright, so `make lint` cannot check the types there. BASIC_HOST is the folder
# of the reference host, built, which is not published.
apps: .venv/.synced .apps/.installed .conformance/.installed ## show the apps in Chromium, which must be installed
	$(RUN) pyright --pythonpath .apps/bin/python tests/apps/*.py tests/apps/support/*.py
	.apps/bin/python -m pytest -q -n 2 -m apps tests/apps --basic-host '$(BASIC_HOST)'

# Caddy and hadolint are in an environment of their own; nginx must be installed.
hosting: .venv/.synced .hosting/.installed ## try the set-ups of docs/hosting.md, and the container
	PATH="$(CURDIR)/.hosting/bin:$$PATH" $(RUN) pytest -q -n 2 --dist loadgroup -m hosting tests/hosting

clients: .venv/.synced $(PYTHON_CLIENTS) .clients/node/.installed ## make a clip with eleven real clients
	$(RUN) python -m clients.run
	$(RUN) python -m clients.sessions

clients-python: .venv/.synced $(PYTHON_CLIENTS) ## make a clip with those that need no Node
	$(RUN) python -m clients.run --python-only

install-clients: .venv/.synced .clients/node/.installed ## install into real clients, which must show it
	$(RUN) python -m clients.installing

bundle: .venv/.synced .packages/.installed ## pack the bundle for Claude Desktop, and start it
	$(RUN) python -m packages.bundle --uv $(UV)

packages: .venv/.synced .clients/node/.installed ## write the packages, and have real clients install them
	$(RUN) python -m packages.generate
	$(RUN) python -m packages.validate

# An environment of its own, since only this needs Sphinx.
docs: .docs-env/.installed ## build the documentation as a site in .site; a warning or a dead link fails
	.docs-env/bin/sphinx-build --quiet --fresh-env --nitpicky --fail-on-warning --keep-going docs .site
	.docs-env/bin/python -m docs.check_site .site

# Each framework too; the other examples run in the environment of the tests.
AGENTS = $(patsubst %,.examples/%/.checked,langgraph_agent openai_agents pydantic_ai_agent)

examples: .venv/.synced $(AGENTS) ## run the examples, killing the pipeline again and again
	$(RUN) pytest -q -n 3 -m 'not stress' tests/examples

lint: .venv/.synced ## check the format, ruff and pyright
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) pyright

bench: .venv/.synced ## measure every figure that has an aim, in five minutes; needs curl
	$(RUN) python -m benchmarks.bench

bench-callers: .venv/.synced ## let 200 callers wait over HTTP, in seven minutes; needs a quiet machine
	$(RUN) python -m benchmarks.callers

workflows: $(UV) ## check the workflows of GitHub Actions
	$(UV) run --quiet --isolated --only-group workflows actionlint
	$(UV) run --quiet --isolated --only-group workflows zizmor --quiet --offline --persona=auditor .github

tagged: $(UV) ## fail unless TAG is that of the version, such as v1.2.3, and the pages are fit for it
	test "$(TAG)" = "v$$($(UV) version --short)"
	! grep --line-number 'published yet\|is published,' README.md docs/*.md

format: .venv/.synced ## format the code and apply safe fixes
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs/clip.webp: docs/clip.py .venv/.synced ## make the animation of the README again
	$(RUN) python docs/clip.py $@

.venv/.synced: pyproject.toml $(UV)
	$(UV) sync --quiet --all-extras
	touch $@

# Both clients and the Node that they need; npm itself may run on an older one.
.conformance/.installed: conformance/package.json
	mkdir -p .conformance
	cp conformance/package.json .conformance
	npm install --prefix .conformance --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

.PRECIOUS: .clients/%/.installed
.clients/%/.installed: clients/drivers/%.txt $(UV)
	$(UV) venv --quiet --allow-existing .clients/$*
	VIRTUAL_ENV=.clients/$* $(UV) pip install --quiet --upgrade --requirement $<
	touch $@

# Strictly, as the driver says; `make lint` cannot, since the client is installed only there.
.clients/%/.checked: clients/drivers/%_client.py .clients/%/.installed .venv/.synced
	$(RUN) pyright --pythonpath .clients/$*/bin/python $<
	touch $@

.PRECIOUS: .examples/%/.installed
.examples/%/.installed: examples/%.py $(UV)
	$(UV) venv --quiet --allow-existing .examples/$*
	VIRTUAL_ENV=.examples/$* $(UV) pip install --quiet --upgrade --requirement $<
	touch $@

.examples/%/.checked: examples/%.py tests/examples/frameworks/%.py .examples/%/.installed .venv/.synced
	$(RUN) pyright --pythonpath .examples/$*/bin/python $< tests/examples/frameworks/$*.py
	touch $@

.clients/node/.installed: clients/drivers/package.json
	mkdir -p .clients/node
	cp clients/drivers/package.json .clients/node
	npm install --prefix .clients/node --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

.docs-env/.installed: pyproject.toml $(UV)
	$(UV) venv --quiet --allow-existing .docs-env
	VIRTUAL_ENV=.docs-env $(UV) pip install --quiet --group docs
	touch $@

.hosting/.installed: pyproject.toml $(UV)
	$(UV) venv --quiet --allow-existing .hosting
	VIRTUAL_ENV=.hosting $(UV) pip install --quiet --group hosting
	touch $@

.apps/.installed: pyproject.toml tests/apps/package.json $(UV)
	$(UV) venv --quiet --allow-existing .apps
	VIRTUAL_ENV=.apps $(UV) pip install --quiet --group apps -e '.[video,postgres]'
	mkdir -p .apps/node
	cp tests/apps/package.json .apps/node
	npm install --prefix .apps/node --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

.packages/.installed: packages/package.json
	mkdir -p .packages
	cp packages/package.json .packages
	npm install --prefix .packages --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet 'uv>=0.8,<1'

clean: ## remove everything that the other targets installed
	rm -rf .venv .venv-lowest .tools .clients .examples .conformance .packages .docs-env .hosting .apps .apps-shots .site .pytest_cache .ruff_cache .hypothesis dist
