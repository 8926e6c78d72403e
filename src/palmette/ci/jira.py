"""JIRA, Cloud and Data Center: tickets like IA-1742."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from palmette.ci.tracker import NOT_VISIBLE, Unasked, line, table, words
from palmette.ci.variables import value
from palmette.ci.web import Web, WebError
from palmette.domain import ticket
from palmette.domain.branches import Ticket
from palmette.errors import UsageError


def trusted(kept: Mapping[str, str], environ: Mapping[str, str]) -> Jira:
    """The JIRA that a secret names (`url`, `token`; `user` for Cloud; `projects` where only theirs are meant), whatever
    the environment says."""
    said = {name: kept.get(name, "").strip() for name in ("url", "token", "user")}
    if missing := [name for name in ("url", "token") if not said[name]]:
        raise UsageError(f"the secret tracker has no {' and '.join(missing)}", "Set it: palmette secret set tracker.")
    if not said["url"].startswith(("https://", "http://")) or any(each.startswith("/") for each in said.values()):
        raise UsageError("the secret tracker names no JIRA", "As in: url=https://jira.acme.example token=…")
    around = {name: each for name, each in environ.items() if not name.startswith("JIRA_")}
    own = {f"JIRA_{name.upper()}": each for name, each in said.items()}
    return Jira({**around, **own}, tuple(kept.get("projects", "").replace(",", " ").split()))


@dataclass(frozen=True)
class Jira:
    """A JIRA, by JIRA_URL, JIRA_TOKEN and, where the token is of a user's (Cloud; a password of an old server),
    JIRA_USER."""

    environ: Mapping[str, str]
    #: its projects, where they are known: then only their keys count
    projects: Sequence[str] = ()
    called: str = "JIRA"

    def keys(self, branch: str, texts: Sequence[str]) -> tuple[str, ...]:
        """The tickets that the branch's name mentions, else the first of the texts that mentions any."""
        found = (ticket.tickets(each, self.projects) for each in (branch, *texts))
        return next(filter(None, found), ())

    def fetch(self, key: str, seconds: float) -> Ticket:
        """The ticket, under the key that it has now."""
        url, token, user = (value(self.environ, name) for name in ("JIRA_URL", "JIRA_TOKEN", "JIRA_USER"))
        missing = "JIRA_URL" if not url else "JIRA_TOKEN" if not token else ""
        if missing:
            raise Unasked(f"{missing} is not set")
        pair = base64.b64encode(f"{user}:{token}".encode()).decode()
        opening = {"Authorization": f"Basic {pair}" if user else f"Bearer {token}"}
        web = Web(url, opening, seconds=seconds, called=self.called, environ=self.environ)
        # The second version of the API is the one that Cloud and Data Center both have, and its title is plain text.
        asked = f"/rest/api/2/issue/{quote(key, safe='')}"
        try:
            answer = table(web.ask("GET", asked, (("fields", "summary,status,issuetype"),)).json)
        except WebError as error:
            if error.status == 404:
                # What is not there and what may not be seen look alike.
                return Ticket(key=key, why=NOT_VISIBLE)
            raise
        fields = table(answer.get("fields"))
        now, title = words(answer.get("key")) or key, line(fields.get("summary"))
        # The gateway of scoped tokens is no place for people.
        page = "" if "/ex/jira/" in url else f"{url.rstrip('/')}/browse/{quote(now, safe='')}"
        if not title:
            raise WebError("JIRA answered without a title", reason="answered without a title")
        return Ticket(key=now, title=title, url=page, status=line(table(fields.get("status")).get("name")))
