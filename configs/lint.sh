#!/usr/bin/env bash
# Format and static analysis with the tools pinned in configs/tools/go.mod, then the house rules of switch/tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
tools() { go tool -modfile=configs/tools/go.mod "$@"; }
# The product's folders and files; generated code there is none of.
files=$(git ls-files --cached --others --exclude-standard '*.go')
unformatted=$(tools gofumpt -l $files)
if [ -n "$unformatted" ]; then
	printf 'not gofumpt-formatted:\n%s\n' "$unformatted"
	exit 1
fi
go vet ./...
tools staticcheck ./...
go test -count 1 ./switch/tidy
echo "lint: clean"
