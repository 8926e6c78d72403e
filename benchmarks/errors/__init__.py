"""How often a verdict is wrong: comparisons in which nothing differs, and such in which something does."""

import os

# The matrices are small: with threads they take twice the processors' time, and no less of anybody's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
