"""GitHub's comments and statuses, by its REST API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from palmette.ci.forge import MergeRequest, Note, Standing, Status, part
from palmette.ci.forge import commit as sha
from palmette.ci.forge import number as numbered
from palmette.ci.web import Web, WebError
from palmette.domain.context import Context
from palmette.domain.values import Json

#: GitHub's words for a commit's states, of which it has fewer
_STATES: Final[Mapping[Status, str]] = {
    Status.PENDING: "pending",
    Status.RUNNING: "pending",
    Status.SUCCESS: "success",
    Status.FAILED: "failure",
    Status.CANCELED: "error",
}
_LONGEST: Final = 140


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """A repository on GitHub. Satisfies `forge.Forge`."""

    web: Web
    #: "acme/ia"
    repository: str
    writes: bool = True
    called: str = "GitHub"
    limit: int = 65_536

    def merge_request(self, branch: str) -> MergeRequest | None:
        """The open pull request of that branch of this repository, the newest."""
        owner = self.repository.partition("/")[0]
        query = [("head", f"{owner}:{branch}"), ("state", "open"), ("sort", "created"), ("direction", "desc")]
        found = [_pull(each) for each in self.web.each(f"{self._own}/pulls", query)]
        return next((each for each in found if each is not None and each.branch == branch), None)

    def numbered(self, number: str) -> MergeRequest | None:
        """That one."""
        try:
            return _pull(self.web.ask("GET", f"{self._own}/pulls/{numbered(number)}").json)
        except WebError as error:
            if error.status == 404:
                return None
            raise

    def notes(self, number: str) -> Iterator[Note]:
        """The oldest first, all pages."""
        for each in self.web.each(self._comments(number)):
            yield _note(each)

    def put_note(self, number: str, body: str, note: Note | None = None) -> Note:
        """In place of the one that is named."""
        if note is None:
            return _note(self.web.ask("POST", self._comments(number), body={"body": body}).json)
        return _note(self.web.ask("PATCH", self._comment(note), body={"body": body}).json)

    def remove_note(self, number: str, note: Note) -> None:
        """Gone already is as good."""
        try:
            self.web.ask("DELETE", self._comment(note))
        except WebError as error:
            if error.status != 404:
                raise

    def status(self, commit: str, standing: Standing) -> None:
        """The newest of a name is what counts."""
        body: dict[str, Json] = {
            "state": _STATES[standing.status],
            "context": standing.name,
            "description": standing.description[:_LONGEST],
        }
        body |= {"target_url": standing.url} if standing.url else {}
        self.web.ask("POST", f"{self._own}/statuses/{sha(commit)}", body=body)

    def branches(self) -> tuple[str, ...]:
        """All pages."""
        found = self.web.each(f"{self._own}/branches")
        return tuple(str(each["name"]) for each in found if isinstance(each, Mapping) and each.get("name"))

    @property
    def _own(self) -> str:
        owner, _, name = self.repository.partition("/")
        return f"/repos/{part(owner)}/{part(name)}"

    def _comments(self, number: str) -> str:
        return f"{self._own}/issues/{numbered(number)}/comments"

    def _comment(self, note: Note) -> str:
        return f"{self._own}/issues/comments/{numbered(note.id)}"


def reach(context: Context, token: str, *, environ: Mapping[str, str], base: str = "") -> GitHub:
    """The repository of a job, opened with a token. `base` stands for the address that the job names."""
    headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
    web = Web(base or context.api, headers, called="GitHub", environ=environ)
    return GitHub(web=web, repository=context.repository)


def _note(said: Json) -> Note:
    if not isinstance(said, Mapping) or "id" not in said:
        raise WebError("GitHub answers without the comment", reason="answered no comment")
    user = said.get("user")
    name = str(user.get("login", "")) if isinstance(user, Mapping) else ""
    return Note(id=str(said["id"]), body=str(said.get("body") or ""), author=name)


def _pull(said: Json) -> MergeRequest | None:
    if not isinstance(said, Mapping) or "number" not in said:
        return None
    head, base = (said.get(name) for name in ("head", "base"))
    head, base = (each if isinstance(each, Mapping) else {} for each in (head, base))
    return MergeRequest(
        number=str(said["number"]),
        head=str(head.get("sha") or ""),
        branch=str(head.get("ref") or ""),
        target=str(base.get("ref") or ""),
        title=str(said.get("title") or ""),
        url=str(said.get("html_url") or ""),
        opened=said.get("state") == "open",
    )
