"""A stand-in for GitHub's API, as far as its documentation says: comments, commit statuses, pull requests, branches,
issues. One repository."""

from __future__ import annotations

import re
from itertools import count
from typing import Any, Final
from urllib.parse import unquote, urlencode

from tests.standins.loopback import Answer, Asked, Loopback, page

#: token → who that is; a token of a fork's pull request may only read
TOKEN: Final = "ghs-of-the-workflow"
OTHER: Final = "ghp-of-somebody-else"
READING: Final = "ghs-of-a-fork"
_USERS: Final = {TOKEN: "github-actions[bot]", OTHER: "ada"}
_USUAL: Final = 30
_LONGEST: Final = 65_536


class GitHub(Loopback):
    """What it keeps can be read and changed by a test: `comments` by pull request, `statuses` by commit."""

    def __init__(self, path: str = "acme/ia") -> None:
        self.path = path
        self.default_branch = "main"
        #: number → its comments, the oldest first
        self.comments: dict[int, list[dict[str, Any]]] = {}
        #: commit → the statuses of it, the oldest first
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.branches: list[str] = ["main"]
        self._ids = count(1)
        super().__init__()

    @property
    def api(self) -> str:
        """The root of its API, as a job knows it."""
        return self.url

    def open(self, source: str, *, number: int = 7, sha: str = "", title: str = "", body: str = "") -> None:
        """Open a pull request of that branch."""
        self.pulls[number] = {
            "number": number,
            "state": "open",
            "head": {"ref": source, "sha": sha, "label": f"{self.path.partition('/')[0]}:{source}"},
            "base": {"ref": self.default_branch},
            "title": title or source,
            "body": body or None,
            "user": {"login": "ada"},
            "html_url": f"{self.url}/{self.path}/pull/{number}",
        }

    def say(self, number: int, body: str, author: str = "ada") -> dict[str, Any]:
        """Write a comment as that user."""
        comment = {"id": next(self._ids), "body": body, "user": {"login": author}}
        self.comments.setdefault(number, []).append(comment)
        return comment

    def state(self, sha: str, name: str) -> str:
        """The newest state of the commit under that name; empty where there is none."""
        return next((each["state"] for each in reversed(self.statuses.get(sha, [])) if each["context"] == name), "")

    def answer(self, asked: Asked) -> Answer:
        """As GitHub would."""
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token != READING and token not in _USERS:
            return _error(401, "Bad credentials")
        found = re.fullmatch(rf"/repos/{re.escape(self.path)}(/.*)?", asked.path)
        if found is None:
            return _error(404, "Not Found")
        who = _USERS.get(token, "")
        if not who and asked.method != "GET":
            return _error(403, "Resource not accessible by integration")
        for method, pattern, of in self._routes():
            match = re.fullmatch(pattern, found[1] or "")
            if match and method == asked.method:
                answer: Answer = of(asked, who, *map(unquote, match.groups()))
                return answer
        return _error(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "", lambda *_: Answer(body={"default_branch": self.default_branch})),
            ("GET", r"/pulls", self._found),
            ("GET", r"/pulls/(\d+)", self._pull),
            ("GET", r"/issues/(\d+)/comments", self._listed),
            ("POST", r"/issues/(\d+)/comments", self._add),
            ("PATCH", r"/issues/comments/(\d+)", self._put),
            ("DELETE", r"/issues/comments/(\d+)", self._remove),
            ("POST", r"/statuses/([0-9a-f]+)", self._status),
            ("GET", r"/branches", self._branches),
            ("GET", r"/issues/(\d+)", self._issue),
        ]

    def _found(self, asked: Asked, _: str) -> Answer:
        head, state = asked.query.get("head"), asked.query.get("state", "open")
        fits = [
            each
            for each in self.pulls.values()
            if state in ("all", each["state"]) and head in (None, each["head"]["label"])
        ]
        return self._paged(asked, fits)

    def _pull(self, _: Asked, __: str, number: str) -> Answer:
        found = self.pulls.get(int(number))
        return Answer(body=found) if found else _error(404, "Not Found")

    def _listed(self, asked: Asked, _: str, number: str) -> Answer:
        return self._paged(asked, self.comments.get(int(number), []))

    def _add(self, asked: Asked, who: str, number: str) -> Answer:
        if int(number) not in self.pulls:
            return _error(404, "Not Found")
        if not asked.body.get("body") or len(asked.body["body"]) > _LONGEST:
            return _error(422, "Validation Failed")
        return Answer(status=201, body=self.say(int(number), asked.body["body"], who))

    def _put(self, asked: Asked, who: str, id: str) -> Answer:
        comment = self._own(who, id)
        if isinstance(comment, Answer):
            return comment
        if len(asked.body["body"]) > _LONGEST:
            return _error(422, "Validation Failed")
        comment["body"] = asked.body["body"]
        return Answer(body=comment)

    def _remove(self, _: Asked, who: str, id: str) -> Answer:
        comment = self._own(who, id)
        if isinstance(comment, Answer):
            return comment
        for entries in self.comments.values():
            if comment in entries:
                entries.remove(comment)
        return Answer(status=204)

    def _own(self, who: str, id: str) -> dict[str, Any] | Answer:
        every = [each for entries in self.comments.values() for each in entries]
        comment = next((each for each in every if each["id"] == int(id)), None)
        if comment is None:
            return _error(404, "Not Found")
        return comment if comment["user"]["login"] == who else _error(403, "Must have admin rights to Repository.")

    def _status(self, asked: Asked, _: str, sha: str) -> Answer:
        if asked.body.get("state") not in ("error", "failure", "pending", "success"):
            return _error(422, "Validation Failed")
        if len(asked.body.get("description") or "") > 140:
            return _error(422, "description is too long (maximum is 140 characters)")
        entry = {"id": next(self._ids), "context": "default", **asked.body}
        self.statuses.setdefault(sha, []).append(entry)
        return Answer(status=201, body=entry)

    def _branches(self, asked: Asked, _: str) -> Answer:
        return self._paged(asked, [{"name": each} for each in self.branches])

    def _issue(self, _: Asked, __: str, number: str) -> Answer:
        found = self.issues.get(int(number))
        return Answer(body={"number": int(number), **found}) if found else _error(404, "Not Found")

    def _paged(self, asked: Asked, entries: list[Any]) -> Answer:
        shown, _, following = page(asked, entries, usual=_USUAL)
        headers = {}
        if following:
            query = urlencode({**asked.query, "page": following})
            headers["Link"] = f'<{self.url}{asked.path}?{query}>; rel="next"'
        return Answer(body=shown, headers=headers)


def _error(status: int, message: str) -> Answer:
    return Answer(status=status, body={"message": message})


def start(path: str = "acme/ia") -> GitHub:
    """A GitHub that answers on this machine; `stop` ends it."""
    return GitHub(path)
