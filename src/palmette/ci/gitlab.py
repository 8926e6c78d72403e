"""GitLab's notes and statuses, by its API of version 4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from palmette.ci.forge import MergeRequest, Note, Standing, part
from palmette.ci.forge import commit as sha
from palmette.ci.forge import number as numbered
from palmette.ci.web import Web, WebError
from palmette.domain.context import Context
from palmette.domain.values import Json

#: what GitLab says to a status that a commit has already
_SAME: Final = "Cannot transition"
_LONGEST: Final = 250


@dataclass(frozen=True, kw_only=True)
class GitLab:
    """A project on a GitLab. Satisfies `forge.Forge`."""

    web: Web
    #: its number, or its path with percent signs
    project: str
    writes: bool
    called: str = "GitLab"
    limit: int = 1_000_000

    def merge_request(self, branch: str) -> MergeRequest | None:
        """The open one of that branch, the newest."""
        query = [("source_branch", branch), ("state", "opened"), ("order_by", "created_at"), ("sort", "desc")]
        found = [_merge_request(each) for each in self.web.each(f"{self._own}/merge_requests", query)]
        return next((each for each in found if each is not None), None)

    def numbered(self, number: str) -> MergeRequest | None:
        """That one."""
        try:
            return _merge_request(self.web.ask("GET", f"{self._own}/merge_requests/{numbered(number)}").json)
        except WebError as error:
            if error.status == 404:
                return None
            raise

    def notes(self, number: str) -> Iterator[Note]:
        """The oldest first, all pages."""
        query = [("sort", "asc"), ("order_by", "created_at")]
        for each in self.web.each(self._notes(number), query):
            if isinstance(each, Mapping) and not each.get("system"):
                yield _note(each)

    def put_note(self, number: str, body: str, note: Note | None = None) -> Note:
        """In place of the one that is named."""
        if note is None:
            return _note(self.web.ask("POST", self._notes(number), body={"body": body}).json)
        place = f"{self._notes(number)}/{numbered(note.id)}"
        return _note(self.web.ask("PUT", place, body={"body": body}).json)

    def remove_note(self, number: str, note: Note) -> None:
        """Gone already is as good."""
        try:
            self.web.ask("DELETE", f"{self._notes(number)}/{numbered(note.id)}")
        except WebError as error:
            if error.status != 404:
                raise

    def status(self, commit: str, standing: Standing) -> None:
        """GitLab refuses a state that the commit is in: that is as good."""
        body: dict[str, Json] = {
            "state": standing.status.value,
            "name": standing.name,
            "description": standing.description[:_LONGEST],
        }
        body |= {"target_url": standing.url} if standing.url else {}
        body |= {"ref": standing.branch} if standing.branch else {}
        try:
            self.web.ask("POST", f"{self._own}/statuses/{sha(commit)}", body=body)
        except WebError as error:
            if error.status != 400 or _SAME not in str(error.json):
                raise

    def branches(self) -> tuple[str, ...]:
        """All pages."""
        found = self.web.each(f"{self._own}/repository/branches")
        return tuple(str(each["name"]) for each in found if isinstance(each, Mapping) and each.get("name"))

    @property
    def _own(self) -> str:
        return f"/projects/{self.project}"

    def _notes(self, number: str) -> str:
        return f"{self._own}/merge_requests/{numbered(number)}/notes"


def reach(context: Context, token: str, *, job: str = "", environ: Mapping[str, str], base: str = "") -> GitLab:
    """The project of a job, opened with a token, else with the job's own, which may only read. `base` stands for the
    address that the job names."""
    headers = {"PRIVATE-TOKEN": token} if token else {"JOB-TOKEN": job}
    web = Web(base or context.api, headers, called="GitLab", environ=environ)
    project = context.repository_id or context.repository
    return GitLab(web=web, project=part(project), writes=bool(token))


def _note(said: Json) -> Note:
    if not isinstance(said, Mapping) or "id" not in said:
        raise WebError("GitLab answers without the note", reason="answered no note")
    author = said.get("author")
    name = str(author.get("username", "")) if isinstance(author, Mapping) else ""
    return Note(id=str(said["id"]), body=str(said.get("body", "")), author=name)


def _merge_request(said: Json) -> MergeRequest | None:
    if not isinstance(said, Mapping) or "iid" not in said:
        return None
    texts = {name: str(said.get(key) or "") for name, key in _KEYS.items()}
    return MergeRequest(number=str(said["iid"]), opened=said.get("state") == "opened", **texts)


_KEYS: Final = {
    "head": "sha",
    "branch": "source_branch",
    "target": "target_branch",
    "title": "title",
    "url": "web_url",
}
