#!/usr/bin/env bash
# Everything that can happen to one bank load, until the space is closed, the mistakes that must be found, and the matrix of behaviours and
# deaths. Counts go to the screen and to out/bankproof.json; exit code 1 when anything is found.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin out
rm -f out/bankproof.json
go test -c -o bin/bankproof ./bankgw
ONECARD_OUT=$PWD/out bin/bankproof -test.v -test.timeout 0 -test.run '^(TestProof|TestProofNotices|TestProofOfAWithdrawal|TestProofOfAWithdrawalNotices|TestMatrix)$' |
	grep --line-buffered -vE '^ *(=== |--- PASS: .*/(round|worker))|^ *--- PASS: TestMatrix/'
