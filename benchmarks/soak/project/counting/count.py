"""python -m counting.count FILE --out FILE: how many lines there are."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    _, source, _, target = sys.argv
    time.sleep(0.05)
    Path(target).write_text(f"{len(Path(source).read_text().splitlines())}\n")
