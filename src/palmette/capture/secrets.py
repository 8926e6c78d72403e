"""What never leaves the machine with a bundle: files named like secrets; and texts that look like keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

#: Names of files that hold secrets, matched without regard to case.
DENIED: Final = (
    ".env*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "id_*",
    "credentials*",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
    ".htpasswd",
    "kubeconfig*",
)
#: Names that hold data or its traces rather than code: what is in them is not quoted.
DATA: Final = re.compile(r"\.(csv|tsv|psv|jsonl|ndjson|ipynb|log|sav|arff|dta|xml|hl7|sql)$", re.IGNORECASE)
#: Directories nothing below which is ever taken.
_DENIED_DIRECTORIES = frozenset({".git", ".hg", ".svn", ".ssh", ".aws", ".gnupg", ".kube", ".palmette"})

_KEYS = (
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{16,}")),
)
_TRIGGERS = ("AKIA", "ASIA", "PRIVATE KEY-----", "gh", "glpat-")


def denied(path: str) -> str:
    """Why a file below a root may not be taken, as the pattern that says so; "" if it may."""
    *directories, name = PurePosixPath(path).parts
    for directory in directories:
        if directory.lower() in _DENIED_DIRECTORIES:
            return f"{directory}/"
    return next((pattern for pattern in DENIED if fnmatchcase(name.lower(), pattern)), "")


def key_like(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a source text that look as if they held a key, and what kind. The key itself is not returned."""
    if not any(trigger in text for trigger in _TRIGGERS):
        return
    for kind, pattern in _KEYS:
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()) + 1, kind
