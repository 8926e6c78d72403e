#!/bin/sh
# Train both algorithms, change one setting, compare: the whole of Palmette in a minute.
# usage: demo.sh [directory that holds the palmette command]
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] && PATH="$1:$PATH"

say() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

say palmette check
say palmette run diagnosis
say palmette run tumour
say palmette run tumour C=0.1
say palmette diff
say palmette why last build_and_fit
say palmette runs

cat <<'END'

That was two algorithms of examples/clinic, trained in steps. The second training of
`tumour` did not fetch its data again, and the diff says what changed.

  cd examples/clinic          the project: algorithms/ and the helpers in clinic/
  palmette show               everything about the last run
  palmette artifacts get tumour report -o report.html
  palmette compile tumour -o tumour.yaml    the same pipeline for Kubeflow
  docs/tutorial/first-run.md  the same in your own project

(The palmette command is in .venv/bin of this repository.)
END
