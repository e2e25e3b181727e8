#!/usr/bin/env bash
# Clients that are not ours read and build the messages of the bank link: moov-io/iso8583 with its own encoders, and npm's iso_8583, which is
# installed into out/conformance as pinned in configs/tools/conformance.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v npm >/dev/null || { echo "没有 npm:请安装 node 与 npm / npm is not there: install node and npm"; exit 1; }
mkdir -p out/conformance
cp configs/tools/conformance/package.json configs/tools/conformance/package-lock.json out/conformance/
(cd out/conformance && npm ci --no-fund --no-audit --ignore-scripts)
go test -count 1 -v -run '^(TestFrames|TestMoovReadsOurFrames|TestOurGatewayAcceptsMoov|TestNPM)$' ./bankgw | grep -E '^(---|ok|FAIL)|SKIP'
