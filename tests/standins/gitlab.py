"""A stand-in for GitLab's API, as far as its documentation says: notes, commit statuses, merge requests, branches,
issues. One project, known by its number and its path."""

from __future__ import annotations

import re
from itertools import count
from typing import Any, Final
from urllib.parse import unquote

from tests.standins.loopback import Answer, Asked, Loopback, page

#: token → who that is. The job's own token may only read.
TOKEN: Final = "glpat-of-the-bot"
OTHER: Final = "glpat-of-somebody-else"
JOB: Final = "job-token"
_USERS: Final = {TOKEN: "palmette-bot", OTHER: "ada"}
_USUAL: Final = 20
_LONGEST: Final = 1_000_000
_LIVE: Final = ("pending", "running")


class GitLab(Loopback):
    """What it keeps can be read and changed by a test: `notes` by merge request, `statuses` by commit."""

    def __init__(self, path: str = "acme/ia", number: int = 1217) -> None:
        self.path, self.number = path, number
        self.default_branch = "main"
        #: number of the merge request → its notes, the oldest first
        self.notes: dict[int, list[dict[str, Any]]] = {}
        #: commit → the statuses of it, the oldest first
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        #: number → the merge request
        self.merge_requests: dict[int, dict[str, Any]] = {}
        #: number → the issue
        self.issues: dict[int, dict[str, Any]] = {}
        self.branches: list[str] = ["main"]
        #: called with each request before it is answered, so that a test can do something in between
        self.before: Any = None
        self._ids = count(1)
        super().__init__()

    @property
    def api(self) -> str:
        """The root of its API, as a job knows it."""
        return f"{self.url}/api/v4"

    def open(self, source: str, *, iid: int = 7, sha: str = "", title: str = "", description: str = "") -> None:
        """Open a merge request of that branch."""
        self.merge_requests[iid] = {
            "iid": iid,
            "state": "opened",
            "source_branch": source,
            "target_branch": self.default_branch,
            "sha": sha,
            "title": title or source,
            "description": description,
            "author": {"username": "ada"},
            "web_url": f"{self.url}/{self.path}/-/merge_requests/{iid}",
        }

    def say(self, iid: int, body: str, author: str = "ada") -> dict[str, Any]:
        """Write a note as that user."""
        note = {"id": next(self._ids), "body": body, "author": {"username": author}, "system": False}
        self.notes.setdefault(iid, []).append(note)
        return note

    def state(self, sha: str, name: str) -> str:
        """The newest state of the commit under that name; empty where there is none."""
        return next((each["status"] for each in reversed(self.statuses.get(sha, [])) if each["name"] == name), "")

    def answer(self, asked: Asked) -> Answer:
        """As GitLab would."""
        if self.before is not None:
            self.before(asked)
        found = re.fullmatch(r"/api/v4/projects/([^/]+)(/.*)?", asked.path)
        if found is None or unquote(found[1]) not in (self.path, str(self.number)):
            return _error(404, "404 Project Not Found")
        who = self._who(asked)
        if isinstance(who, Answer):
            return who
        if not who and asked.method != "GET":
            return _error(403, "403 Forbidden")
        rest = found[2] or ""
        for method, pattern, of in self._routes():
            match = re.fullmatch(pattern, rest)
            if match and method == asked.method:
                answer: Answer = of(asked, who, *map(unquote, match.groups()))
                return answer
        return _error(404, "404 Not Found")

    def _who(self, asked: Asked) -> str | Answer:
        """The user that asks; empty for a job."""
        token = asked.headers.get("private-token", "")
        if token:
            return _USERS.get(token) or _error(401, "401 Unauthorized")
        if asked.headers.get("job-token") == JOB:
            return ""
        return _error(401, "401 Unauthorized")

    def _routes(self) -> list[tuple[str, str, Any]]:
        notes = r"/merge_requests/(\d+)/notes"
        return [
            ("GET", "", lambda *_: Answer(body={"id": self.number, "default_branch": self.default_branch})),
            ("GET", r"/merge_requests", self._found),
            ("GET", r"/merge_requests/(\d+)", self._merge_request),
            ("GET", notes, self._listed),
            ("POST", notes, self._add),
            ("PUT", rf"{notes}/(\d+)", self._put),
            ("DELETE", rf"{notes}/(\d+)", self._remove),
            ("POST", r"/statuses/([0-9a-f]+)", self._status),
            ("GET", r"/repository/branches", self._branches),
            ("GET", r"/issues/(\d+)", self._issue),
        ]

    def _found(self, asked: Asked, _: str) -> Answer:
        wanted = {"source_branch": asked.query.get("source_branch"), "state": asked.query.get("state")}
        fits = [
            each
            for each in self.merge_requests.values()
            if all(value is None or each[name] == value for name, value in wanted.items())
        ]
        return _paged(asked, fits)

    def _merge_request(self, _: Asked, __: str, iid: str) -> Answer:
        found = self.merge_requests.get(int(iid))
        return Answer(body=found) if found else _error(404, "404 Not found")

    def _listed(self, asked: Asked, _: str, iid: str) -> Answer:
        if int(iid) not in self.merge_requests:
            return _error(404, "404 Not found")
        # The newest first, unless asked for otherwise.
        entries = self.notes.get(int(iid), [])
        return _paged(asked, entries if asked.query.get("sort") == "asc" else entries[::-1])

    def _add(self, asked: Asked, who: str, iid: str) -> Answer:
        if int(iid) not in self.merge_requests:
            return _error(404, "404 Not found")
        if not asked.body.get("body") or len(asked.body["body"]) > _LONGEST:
            return _error(400, {"note": ["is too long or empty"]})
        return Answer(status=201, body=self.say(int(iid), asked.body["body"], who))

    def _put(self, asked: Asked, who: str, iid: str, id: str) -> Answer:
        note = self._own(who, iid, id)
        if isinstance(note, Answer):
            return note
        if len(asked.body["body"]) > _LONGEST:
            return _error(400, {"note": ["is too long"]})
        note["body"] = asked.body["body"]
        return Answer(body=note)

    def _remove(self, _: Asked, who: str, iid: str, id: str) -> Answer:
        note = self._own(who, iid, id)
        if isinstance(note, Answer):
            return note
        self.notes[int(iid)].remove(note)
        return Answer(status=204)

    def _own(self, who: str, iid: str, id: str) -> dict[str, Any] | Answer:
        note = next((each for each in self.notes.get(int(iid), []) if each["id"] == int(id)), None)
        if note is None:
            return _error(404, "404 Not found")
        return note if note["author"]["username"] == who else _error(403, "403 Forbidden")

    def _status(self, asked: Asked, _: str, sha: str) -> Answer:
        told = {**asked.query, **(asked.body if isinstance(asked.body, dict) else {})}
        state, name = told.get("state"), told.get("name", "default")
        if state not in ("pending", "running", "success", "failed", "canceled"):
            return _error(400, {"error": "state does not have a valid value"})
        known = self.statuses.setdefault(sha, [])
        live = next((each for each in known if each["name"] == name and each["status"] in _LIVE), None)
        if live is None:
            known.append({"id": next(self._ids), "sha": sha, "name": name, "status": state, **_described(told)})
            return Answer(status=201, body=known[-1])
        if live["status"] == state or state == "pending":
            said = f"Cannot transition status via :{state} from :{live['status']}"
            return _error(400, {"status": [said]} if state == "pending" else said)
        live.update(status=state, **_described(told))
        return Answer(status=201, body=live)

    def _branches(self, asked: Asked, _: str) -> Answer:
        merged = [{"name": each, "default": each == self.default_branch} for each in self.branches]
        return _paged(asked, merged)

    def _issue(self, _: Asked, who: str, iid: str) -> Answer:
        # A job's token may not read issues.
        found = self.issues.get(int(iid)) if who else None
        return Answer(body={"iid": int(iid), **found}) if found else _error(404, "404 Not found")


def _described(told: dict[str, Any]) -> dict[str, Any]:
    return {key: told.get(key) for key in ("target_url", "description", "ref")}


def _error(status: int, message: Any) -> Answer:
    return Answer(status=status, body={"message": message})


def _paged(asked: Asked, entries: list[Any]) -> Answer:
    shown, number, following = page(asked, entries, usual=_USUAL)
    headers = {"X-Page": str(number), "X-Next-Page": str(following or ""), "X-Total": str(len(entries))}
    return Answer(body=shown, headers=headers)


def start(path: str = "acme/ia", number: int = 1217) -> GitLab:
    """A GitLab that answers on this machine; `stop` ends it."""
    return GitLab(path, number)
