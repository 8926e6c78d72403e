"""Issues of GitLab and of GitHub as tickets: a branch like `123-title`, `#123` in a merge request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from palmette.ci.tracker import NOT_VISIBLE, Unasked, line, page, table
from palmette.ci.variables import value
from palmette.ci.web import Web, WebError
from palmette.domain import ticket
from palmette.domain.branches import Ticket
from palmette.domain.context import Context


def _keys(branch: str, texts: Sequence[str]) -> tuple[str, ...]:
    return next(filter(None, (ticket.issues(branch), *map(ticket.mentioned, texts))), ())


def token(environ: Mapping[str, str], *names: str) -> str:
    """The first token that is set."""
    return next(filter(None, (value(environ, name) for name in names)), "")


@dataclass(frozen=True)
class GitLabIssues:
    """The issues of the project that the job is of. Without a token those of a public project."""

    context: Context
    environ: Mapping[str, str]
    called: str = "GitLab"

    def keys(self, branch: str, texts: Sequence[str]) -> tuple[str, ...]:
        """The issues that are mentioned, as "#123"."""
        return _keys(branch, texts)

    def fetch(self, key: str, seconds: float) -> Ticket:
        """The issue."""
        project = self.context.repository_id or self.context.repository
        if not self.context.api or not project:
            raise Unasked("no GitLab is known here")
        # A job's own token may not read issues.
        opened = token(self.environ, "PALMETTE_FORGE_TOKEN", "GITLAB_TOKEN")
        headers = {"PRIVATE-TOKEN": opened} if opened else {}
        web = Web(self.context.api, headers, seconds=seconds, called=self.called, environ=self.environ)
        return _fetched(web, f"/projects/{quote(project, safe='')}/issues/{key.lstrip('#')}", key, "web_url")


@dataclass(frozen=True)
class GitHubIssues:
    """The issues of the repository that the job is of."""

    context: Context
    environ: Mapping[str, str]
    called: str = "GitHub"

    def keys(self, branch: str, texts: Sequence[str]) -> tuple[str, ...]:
        """The issues that are mentioned, as "#123"."""
        return _keys(branch, texts)

    def fetch(self, key: str, seconds: float) -> Ticket:
        """The issue."""
        if not self.context.api or not self.context.repository:
            raise Unasked("no GitHub is known here")
        opened = token(self.environ, "PALMETTE_FORGE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")
        headers = {"Authorization": f"Bearer {opened}"} if opened else {}
        web = Web(self.context.api, headers, seconds=seconds, called=self.called, environ=self.environ)
        place = "/".join(quote(part, safe="") for part in self.context.repository.split("/"))
        return _fetched(web, f"/repos/{place}/issues/{key.lstrip('#')}", key, "html_url")


def _fetched(web: Web, path: str, key: str, address: str) -> Ticket:
    try:
        answer = table(web.ask("GET", path).json)
    except WebError as error:
        if error.status in (404, 410):
            return Ticket(key=key, why=NOT_VISIBLE)
        raise
    title = line(answer.get("title"))
    if not title:
        raise WebError(f"{web.called} answered without a title", reason="answered without a title")
    return Ticket(key=key, title=title, url=page(answer.get(address)), status=line(answer.get("state")))
