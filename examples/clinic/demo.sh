#!/bin/sh
# Train three algorithms, change one setting, compare, search: the main job of Palmette in half a minute.
# What an earlier demo trained is reused; each further one tries another value.
# usage: demo.sh [directory that holds the palmette command]
set -eu
[ $# -gt 0 ] && PATH="$(cd "$1" && pwd):$PATH" && export PATH
cd "$(dirname "$0")"

if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); else bold='' dim='' plain=''; fi

# What comes next, in a sentence, then the command and what it prints.
show() {
    printf '\n%s# %s%s\n' "$dim" "$1" "$plain"
    shift
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

trained=$(palmette runs tumour --csv 2>/dev/null | tail -n +2 | wc -l)
set -- 0.1 0.3 0.03 3 0.01 10
shift $((trained / 2 % $#))
C=$1

[ "$trained" -eq 0 ] || printf '%s\n' \
    "These algorithms were trained before: nothing that they depend on has changed" \
    "since, so their results are taken from examples/clinic/.palmette. What is new" \
    "this time is C=$C. (Delete that directory to begin again.)"

show "Four algorithms, made of plain functions; are they sound?" palmette check
show "Which of 22 chapters of ICD-10 does a medical text belong to?" palmette run diagnosis
show "Is a tumour benign or malignant?" palmette run tumour
show "Again, with one setting changed: the data need not be fetched again." palmette run tumour "C=$C"
show "Did that make it better?" palmette diff
show "Why was the model fitted anew?" palmette why last build_and_fit
show "How far will diabetes progress? Five folds, each held out once." palmette run progression
show "All of it is remembered, and found again." palmette runs metric.auc ">" 0.9 sort -metric.auc --limit 6

cat <<END

How to go on:

  export PATH="\$PWD/.venv/bin:\$PATH"   the palmette command (from here)
  cd examples/clinic                   algorithms/, and the helpers in clinic/
  palmette show                        everything about the last run
  palmette diff --html diff.html       the comparison as a page
  palmette run tumour --preset toy     small and quick
  palmette run digits                  pictures, with a library of their own
  palmette run tumour C=0.01..10log4 --seeds 3   twelve runs, and the best
  palmette artifacts get tumour report -o report.html
  palmette compile tumour -o tumour.yaml    the same pipeline for Kubeflow

Change a line of algorithms/tumour.py and run it again: only the steps that the
change reaches are run. In a project of your own, begin with: palmette init
END
