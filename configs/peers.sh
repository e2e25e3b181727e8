#!/usr/bin/env bash
# Installs what bench peers compares with, from Debian's packages, without starting or changing any server of the machine: the bench starts
# its own, in its own folders, and ends exactly those.
set -euo pipefail
missing=()
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
if ((${#missing[@]} == 0)); then exit 0; fi
if ! command -v apt-get >/dev/null; then
	echo "请安装 / please install: ${missing[*]}"
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "需要 root 安装 / root is needed to install: sudo apt-get install --no-install-recommends ${missing[*]}"
	exit 1
fi
echo "正在安装 / installing ${missing[*]} …"
# While this file says 101, packages that are installed start nothing.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
if ! (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}") >"$log" 2>&1; then
	tail -20 "$log"
	echo "安装未成 / could not be installed"
	exit 1
fi
rm -f "$log"
echo "已安装 / installed"
