# pg_zvec: build, install, try and test. `make help` lists the targets.

# The version of PostgreSQL: 15, or 16, 17 or 18. Or the pg_config of any of them, which comes first.
PG ?= 15
PG_CONFIG ?= $(shell PG='$(PG)' bash -c '. regress/cluster.sh && zvec_pg_config')
DESTDIR ?=
# Where rustup puts cargo, in case the shell has not heard of it.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Asked when a recipe runs, not before: PostgreSQL may not be there yet.
ask = $(shell PG_CONFIG='$(PG_CONFIG)' bash -c '. regress/cluster.sh && $(1)')
LIBRARY = $(call ask,zvec_target)/release/libpg_zvec.so
CARGO = PGRX_PG_CONFIG_PATH='$(PG_CONFIG)' CARGO_TARGET_DIR='$(call ask,zvec_target)' cargo
FEATURES = $(call ask,zvec_features)
PKGLIBDIR = $(shell '$(PG_CONFIG)' --pkglibdir)
EXTENSIONDIR = $(shell '$(PG_CONFIG)' --sharedir)/extension
PG_REGRESS = $(dir $(shell '$(PG_CONFIG)' --pgxs))../test/regress/pg_regress

.PHONY: all help setup install install-files installcheck check check-pgvector check-all stress demo bench lint clean

all: ## build the release library (the default)
	@test -x '$(PG_CONFIG)' || \
		{ echo "no pg_config at $(PG_CONFIG): run 'make setup', or give PG_CONFIG=..." >&2; exit 1; }
	$(CARGO) build --release $(FEATURES)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## install what is missing to build and test (Debian; says what and why)
	@PG='$(PG)' PG_CONFIG='$(PG_CONFIG)' regress/setup.sh

install: all install-files ## install into the PostgreSQL of PG_CONFIG (honours DESTDIR)

install-files:
	install -d '$(DESTDIR)$(PKGLIBDIR)' '$(DESTDIR)$(EXTENSIONDIR)'
	install -m 755 $(LIBRARY) '$(DESTDIR)$(PKGLIBDIR)/pg_zvec.so'
	install -m 644 pg_zvec.control $(wildcard sql/pg_zvec--*.sql) '$(DESTDIR)$(EXTENSIONDIR)/'
	install -m 644 sql/pg_zvec_pgvector.control $(wildcard sql/pg_zvec_pgvector--*.sql) '$(DESTDIR)$(EXTENSIONDIR)/'
	sql/expand.sh >'$(DESTDIR)$(EXTENSIONDIR)/pg_zvec--0.1.0.sql'

installcheck: ## run the SQL tests against a running server (after make install; PGHOST, PGPORT, PGUSER choose it)
	@mkdir -p .scratch/installcheck
	$(PG_REGRESS) --bindir='$(shell '$(PG_CONFIG)' --bindir)' --inputdir=regress --outputdir=.scratch/installcheck \
		--dbname=pg_zvec_regression --load-extension=pg_zvec --schedule=regress/schedule
	@rm -rf .scratch/installcheck; rmdir .scratch 2>/dev/null || true

check: ## set up, build, then run every test (PG=15|16|17|18); ends with "N passed, N failed"
	@PG='$(PG)' PG_CONFIG='$(PG_CONFIG)' regress/check.sh

check-pgvector: ## pgvector's types in zvec tables, and programs with client libraries from PyPI (PG=18 if not given)
	@PG='$(if $(filter file,$(origin PG)),18,$(PG))' PG_CONFIG='$(if $(filter file,$(origin PG_CONFIG)),,$(PG_CONFIG))' \
		regress/pgvector/check.sh

check-all: ## the same for each version, one after another
	@regress/check-all.sh

stress: ## sessions at random against zvec tables in a private server (MINUTES=10 SEED=... SESSIONS=8)
	@PG='$(PG)' PG_CONFIG='$(PG_CONFIG)' regress/setup.sh
	@$(MAKE) --no-print-directory all
	@PG_CONFIG='$(PG_CONFIG)' MINUTES='$(or $(MINUTES),10)' SEED='$(SEED)' SESSIONS='$(SESSIONS)' regress/server/stress.sh

demo: ## set up, build, and show 5,000 Debian packages in a private server (KEEP=1 leaves it running)
	@PG='$(PG)' PG_CONFIG='$(PG_CONFIG)' KEEP='$(KEEP)' sql/demo/demo.sh

bench: ## measure tables and searches in private servers (PART=tables|search|elements|collections DATA=folder RESULTS=file FULL=1 ARGS=...)
	@PG='$(PG)' PG_CONFIG='$(PG_CONFIG)' PART='$(PART)' DATA='$(DATA)' RESULTS='$(RESULTS)' OUT='$(OUT)' FULL='$(FULL)' \
		ARGS='$(ARGS)' benches/bench.sh

lint: ## formatting, and clippy with warnings denied, with and without the server part, and of the test drivers
	cargo fmt --check
	$(CARGO) clippy --release $(FEATURES) --all-targets -- -D warnings
	cargo clippy --release --no-default-features --all-targets -- -D warnings
	cargo clippy --no-default-features --features drivers --bins -- -D warnings

clean: ## remove everything that was built
	cargo clean
	rm -rf .scratch
