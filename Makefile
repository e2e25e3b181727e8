# onecard: run · build · test · race · fuzz · sim · kill · crash · eio · rot · diskfull · slowdisk · bench · lint · clean · proof-bank · bank-chaos · conformance · peers — each is one line below. `make help` lists them.
SHELL := /bin/bash
GO ?= go
ROUNDS ?= 10
SEED ?= 1
SEEDS ?= 2000
POINTS ?= 5000
FLIPS ?= 5000
FEW ?= 20
FUZZTIME ?= 20s
LOADS ?= 100000
export CGO_ENABLED ?= 0
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
BUILD := $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)"

.PHONY: help run build test race fuzz sim kill crash eio rot diskfull slowdisk bench lint clean proof-bank bank-chaos conformance peers

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: ## build and start everything: switch, bank, a small campus at lunch; a live screen
	@configs/build.sh $(MAKE) --no-print-directory build
	@bin/onecard demo $(ARGS)

build: ## bin/onecard and bin/bench
	@$(BUILD) -o bin/onecard ./switch
	@$(BUILD) -o bin/bench ./bench

test: ## the whole test suite, under 4 minutes on 2 cores
	@$(GO) vet ./...
	@$(GO) test -timeout 10m ./...

race: ## the tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

fuzz: ## every fuzz target for FUZZTIME
	@configs/fuzz.sh $(FUZZTIME)

sim: ## SEEDS histories of the core from SEED, each twice: terminals, bank, operators, clock and disk full of faults; a table of what met what
	@ONECARD_SEED=$(SEED) ONECARD_SEEDS=$(SEEDS) $(GO) test -timeout 0 -count 1 -v -run Seeds ./switch/simulation

kill: build ## kill -9 of serve under load, ROUNDS times: nothing acknowledged is lost or doubled; out/kill.json
	@bin/bench kill --binary bin/onecard --rounds $(ROUNDS) --seed $(SEED) --json out/kill.json

crash: ## a crash at every write, create, sync and rename, at work and in recovery, POINTS from SEED, and a tenth on the whole core; out/crash.json
	@configs/faults.sh ledger/pebblestore TestCampaignCrash $(POINTS) $(SEED)
	@configs/faults.sh switch/transaction TestCampaignCrashOfTheWholeCore $$(( ($(POINTS) + 9) / 10 )) $(SEED)

eio: ## an error of every operation on the disk, POINTS of them from SEED; out/eio.json
	@configs/faults.sh ledger/pebblestore TestCampaignErrors $(POINTS) $(SEED)

rot: ## damage to every file of a ledger, FLIPS times from SEED: refused by name or repaired; out/rot.json
	@configs/faults.sh ledger/pebblestore TestCampaignDamage $(FLIPS) $(SEED)

diskfull: ## a disk that is full from some operation on, with ballast and without, POINTS times from SEED; out/diskfull.json
	@configs/faults.sh ledger/pebblestore TestCampaignDiskFull $(POINTS) $(SEED)

slowdisk: ## a disk whose syncs take 10 to 2,000 ms, FEW times from SEED; out/slowdisk.json
	@configs/faults.sh ledger/pebblestore TestCampaignSlowDisk $(FEW) $(SEED)

bench: build ## lunch, throughput by connections beside echo and floor, latency beside a bare fdatasync: one page, and out/bench.html
	@bin/bench all --binary bin/onecard $(ARGS)

lint: ## gofumpt, staticcheck, go vet, and the house rules
	@configs/lint.sh

clean: ## what make has built; data stays
	@rm -rf bin out

proof-bank: ## every order of everything that can happen to one bank load and to one withdrawal, a death at every point, until the space is closed; out/bankproof.json
	@configs/bankproof.sh

bank-chaos: build ## LOADS bank loads at a bad bank, a tenth as many withdrawals beside them, the switch killed and the bank restarted, compared load by load; out/bankchaos.json
	@bin/bench bankchaos --binary bin/onecard --loads $(LOADS) --seed $(SEED) --json out/bankchaos.json

conformance: ## clients that are not ours read and build our bank messages: moov's own encoders, npm's iso_8583 (needs node and npm)
	@configs/conformance.sh

peers: build ## beside PostgreSQL and Redis on this machine, same work, same durability, in one run; installs what Debian has; out/peers.json
	@configs/peers.sh
	@bin/bench peers --binary bin/onecard $(ARGS)
