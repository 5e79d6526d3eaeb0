#!/usr/bin/env bash
# Install Label Studio's server in a virtual environment of its own (its requirements and ours
# exclude each other). Does nothing if the wanted version is there already.
#
#   scripts/install_label_studio.sh [folder]      default: .venv-label-studio
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.23.2
venv=${1:-${LABELKIT_LABEL_STUDIO_VENV:-.venv-label-studio}}
python=${PYTHON:-python3}

if [ -x "$venv/bin/label-studio" ] &&
    "$venv/bin/python" - "$version" <<'PY' 2>/dev/null
import importlib.metadata, sys
sys.exit(importlib.metadata.version("label-studio") != sys.argv[1])
PY
then
    echo "Label Studio $version is installed."
    exit 0
fi

echo "Installing Label Studio $version (1 GB on disk; this takes a few minutes, once) ..."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# pip names the index it asks; of its output only errors are shown, without addresses.
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "label-studio==$version" >"$log" 2>&1
then
    echo "Label Studio could not be installed:" >&2
    grep -i 'error' "$log" | sed -E 's#https?://[^ ,)]+#<address>#g' | tail -20 >&2
    exit 1
fi
echo "Label Studio $version is installed."
