#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Times mlbuild beside other builders, in turn, in one run: only the ratios count. README.md says how to read
# the table.
#
#     tests/bench/run.sh [--quick] [W1...W10]       default: all of them
# shellcheck source-path=SCRIPTDIR/../..
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/stage.sh

build_programs
case " $* " in
*" --quick "*) ;;
"  " | *" W"[1239]" "*) make_python_base ;;
esac
ordinary_user table.sh "$@"
