#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Time and peak memory of mlbuild against the size of what it builds: writes growth.csv and draws growth.svg.
#
#     tests/bench/growth.sh [--quick]        --quick: without the largest sizes
# shellcheck source-path=SCRIPTDIR/../..
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/stage.sh

build_programs
csv=$(mktemp)
ordinary_user growth_rows.sh "$@" | tee "$csv"
mv "$csv" tests/bench/growth.csv
chmod 644 tests/bench/growth.csv
tests/bench/growth_chart.py tests/bench/growth.csv tests/bench/growth.svg
