#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
grep -rEl '^func Fuzz' --include='*_test.go' . | while read -r file; do
	for target in $(grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/func //'); do
		echo "== $(dirname "$file") $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "$(dirname "$file")"
	done
done
