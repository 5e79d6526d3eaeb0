#!/usr/bin/env bash
# Install Chromium for the browser tests where apt is at hand. Does nothing if it is there already;
# where it cannot be installed, says what to do and ends well: the tests then skip, loudly.
set -euo pipefail

for program in chromium chromium-browser google-chrome; do
    if command -v "$program" >/dev/null 2>&1; then
        echo "A browser for the tests is installed ($program)."
        exit 0
    fi
done

advice="Install Chromium by hand to run the browser tests; without it they are skipped."
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No apt-get here. $advice"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Installing Chromium needs root: sudo apt-get install chromium. $advice"
    exit 0
fi

echo "Installing Chromium ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if { apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } \
    >"$log" 2>&1
then
    echo "Chromium is installed."
else
    echo "apt-get could not install Chromium:" >&2
    grep '^E:' "$log" | sed -E 's#https?://[^ ,)]+#<address>#g' | tail -5 >&2
    echo "$advice" >&2
    [ -z "${CI:-}" ] || exit 1
fi
