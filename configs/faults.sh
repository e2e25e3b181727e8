#!/usr/bin/env bash
# One campaign of faults: configs/faults.sh PACKAGE TEST POINTS SEED. Counts go to the screen and to out/; exit code 1 on anything that must not be.
set -euo pipefail
cd "$(dirname "$0")/.."
package=$1 test=$2 points=$3 seed=$4
binary=bin/faults-${package//\//-}
mkdir -p bin out
go test -c -o "$binary" "./$package"
ONECARD_POINTS=$points ONECARD_SEED=$seed ONECARD_OUT=$PWD/out "$binary" -test.run "^$test\$" -test.timeout 0
