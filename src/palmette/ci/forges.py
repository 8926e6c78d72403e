"""The forge that a repository is on: where notes are written, and commits get their status. GitLab or GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final, assert_never
from urllib.parse import urlsplit

from palmette.ci import github, gitlab
from palmette.ci.forge import Forge
from palmette.domain.context import Context, Provider
from palmette.errors import UsageError

#: the variable that is looked at first, whatever the forge
OWN: Final = "PALMETTE_FORGE_TOKEN"
#: provider → the variables that may hold a token, in order
TOKENS: Final[Mapping[Provider, tuple[str, ...]]] = {
    Provider.GITLAB: (OWN, "GITLAB_TOKEN"),
    Provider.GITHUB: (OWN, "GITHUB_TOKEN", "GH_TOKEN"),
}
_JOB: Final = "CI_JOB_TOKEN"


class Kind(StrEnum):
    """Forges that are known."""

    GITLAB = "gitlab"
    GITHUB = "github"


def of(context: Context, environ: Mapping[str, str]) -> Forge | None:
    """The forge of the job, opened with the token in its environment, which goes to the forge's own address alone; None
    where there is no token, or no forge is known."""
    if not context.api or not (context.repository_id or context.repository):
        return None
    token = next((environ[name] for name in TOKENS.get(context.provider, ()) if environ.get(name, "").strip()), "")
    match context.provider:
        case Provider.GITLAB if token or environ.get(_JOB, ""):
            return gitlab.reach(context, token.strip(), job=environ.get(_JOB, ""), environ=environ)
        case Provider.GITHUB if token:
            return github.reach(context, token.strip(), environ=environ)
        case _:
            return None


def lacking(context: Context, environ: Mapping[str, str]) -> str:
    """Why no note can be written, as a sentence without a full stop that names the variable; empty if one can."""
    if any(environ.get(name, "").strip() for name in TOKENS.get(context.provider, ())):
        return ""
    match context.provider:
        case Provider.GITLAB:
            own = f", and {_JOB} may only read" if environ.get(_JOB, "") else ""
            return (
                f"{OWN} is not set{own}: no note is written, and no commit status. "
                "It holds a project access token with the scope api; a protected variable is missing on other branches"
            )
        case Provider.GITHUB:
            return (
                "GITHUB_TOKEN is not set: no note is written, and no commit status. "
                "The workflow hands it in, with permissions pull-requests: write and statuses: write"
            )
        case Provider.JENKINS | Provider.NONE:
            return "no GitLab and no GitHub is known here: no note is written, and no commit status"
        case _:
            assert_never(context.provider)


def trusted(kept: Mapping[str, str], context: Context, environ: Mapping[str, str]) -> Forge:
    """The forge that a secret names (`kind`, `url`, `token`; `repository` where only one is meant), for the repository
    of a job. UsageError where the job names another forge or repository: a job cannot have the token sent elsewhere."""
    url, token, kind = (kept.get(name, "").strip() for name in ("url", "token", "kind"))
    if not url or not token:
        missing = " and ".join(name for name in ("url", "token") if not kept.get(name, "").strip())
        raise UsageError(f"the secret forge has no {missing}", "Set it: palmette secret set forge url token kind")
    if kind and kind not in [each.value for each in Kind]:
        raise UsageError(f"the secret forge names the kind {kind!r}", f"One of: {', '.join(Kind)}.")
    if _address(url) != _address(context.api):
        raise UsageError("the job is of another forge than the one that the secret forge names")
    only = kept.get("repository", "").strip()
    if only and only not in (context.repository, context.repository_id):
        raise UsageError("the job is of another repository than the one that the secret forge names")
    on_github = kind == Kind.GITHUB or (not kind and context.provider is Provider.GITHUB)
    if only and on_github and only != context.repository:
        raise UsageError("a repository on GitHub is named by its path", "Write repository=acme/ia, not its number.")
    if only:
        # The job's other name for it may be that of another one.
        number = only if only.isdecimal() else ""
        context = replace(context, repository="" if number else only, repository_id=number)
    if on_github:
        return github.reach(context, token, environ=environ, base=url)
    return gitlab.reach(context, token, environ=environ, base=url)


def _address(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url.strip())
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or usual, parts.path.rstrip("/")
