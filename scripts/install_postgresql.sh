#!/usr/bin/env bash
# Install a PostgreSQL server for the tests of team ledgers where apt is at hand. Does nothing if it
# is there already; where it cannot be installed, says what to do and ends well: the tests then skip,
# loudly. The tests start a server of their own (scripts/postgresql_server.py); none is left running.
set -euo pipefail

found() {
    [ -n "${LABELKIT_POSTGRESQL_BIN:-}" ] || command -v initdb >/dev/null 2>&1 ||
        compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null
}

if found; then
    echo "PostgreSQL for the tests is installed."
    exit 0
fi

advice="Install PostgreSQL by hand to test team ledgers (LABELKIT_POSTGRESQL_BIN names the folder of
its programs); without it those tests are skipped."
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No apt-get here. $advice"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Installing PostgreSQL needs root: sudo apt-get install postgresql. $advice"
    exit 0
fi

echo "Installing PostgreSQL ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# The package would make a cluster and start it; the tests make their own.
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/labelkit.conf
if { apt-get update && apt-get install -y --no-install-recommends postgresql; } >"$log" 2>&1 && found
then
    echo "PostgreSQL is installed."
else
    echo "apt-get could not install PostgreSQL:" >&2
    grep '^E:' "$log" | sed -E 's#https?://[^ ,)]+#<address>#g' | tail -5 >&2
    echo "$advice" >&2
    [ -z "${CI:-}" ] || exit 1
fi
