"""A stand-in for JIRA's API: the issues of the second version, Cloud's way in (Basic) and Data Center's (Bearer)."""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import unquote

from tests.standins.loopback import Answer, Asked, Loopback

USER: Final = "ada@example.org"
TOKEN: Final = "jira-token"
_OPEN: Final = (f"Bearer {TOKEN}", f"Basic {base64.b64encode(f'{USER}:{TOKEN}'.encode()).decode()}")
_UNSEEN: Final = "Issue does not exist or you do not have permission to see it."


class Jira(Loopback):
    """Its issues can be changed by a test. Besides the modes of every stand-in: "later", too often asked and told until
    when by a date; "away", sent to another host."""

    def __init__(self) -> None:
        #: key → title
        self.issues: dict[str, str] = {}
        #: key → the key that it was moved to
        self.moved: dict[str, str] = {}
        #: where "away" leads
        self.elsewhere = "http://localhost:1"
        super().__init__()

    @property
    def asked(self) -> list[str]:  # type: ignore[override]  # it is only ever asked for issues
        """The issues that were asked for, in order."""
        return [unquote(each.path.rpartition("/")[2]) for each in self.requests]

    def answer(self, asked: Asked) -> Answer:
        """As JIRA would."""
        match self.mode:
            case "later":
                dates = {"Date": "Sun, 22 Nov 2026 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 10:01:30 GMT"}
                return Answer(status=429, body={}, headers=dates)
            case "away":
                return Answer(status=302, headers={"Location": f"{self.elsewhere}{asked.path}"})
        if asked.headers.get("authorization") not in _OPEN:
            return Answer(status=401, body={"message": "Client must be authenticated to access this resource."})
        found = re.fullmatch(r"/rest/api/2/issue/([^/]+)", asked.path)
        if asked.method != "GET" or found is None:
            return Answer(status=404, body={"message": "null for uri"})
        key = unquote(found[1]).upper()
        key = self.moved.get(key, key)
        if key not in self.issues:
            return Answer(status=404, body={"errorMessages": [_UNSEEN], "errors": {}})
        fields = {"summary": self.issues[key], "status": {"name": "In Progress"}, "issuetype": {"name": "Story"}}
        wanted = asked.query.get("fields", "").split(",")
        return Answer(body={"key": key, "fields": {name: fields[name] for name in wanted if name in fields}})


def start() -> Jira:
    """One that listens on this machine; `stop` ends it."""
    return Jira()
