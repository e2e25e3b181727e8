#!/usr/bin/env bash
# Runs a build command and says what is happening while it downloads and compiles, so that a first build does not look hung.
set -euo pipefail
start=$SECONDS
echo "正在编译 / building onecard (the first time: 2 to 4 minutes; modules are downloaded and Pebble is compiled)"
"$@" &
build=$!
while kill -0 "$build" 2>/dev/null; do
	sleep 1
	elapsed=$((SECONDS - start))
	if ((elapsed > 0 && elapsed % 5 == 0)); then
		echo "  … ${elapsed}s"
	fi
done
wait "$build"
echo "编译完成 / built in $((SECONDS - start))s"
