"""Branches, as this home knows them: which commit of each is the newest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from palmette.domain.branches import Branch, Ticket
from palmette.domain.lines import Commit
from palmette.errors import UsageError
from palmette.operations.home import Home
from palmette.store import branches, commits


@dataclass(frozen=True, kw_only=True)
class Advanced:
    """What became of a commit that a branch was to be moved to."""

    #: whether the branch is at that commit now
    taken: bool
    #: the branch as it was; None for one that was not known
    before: Branch | None = None
    #: the branch as it is
    after: Branch | None = None
    #: why it stays where it is, as a sentence without a full stop; empty where it was taken
    why: str = ""
    #: it stays since it has another head than the asker compared with: look at it, and ask again
    again: bool = False


def advance(
    home: Home,
    branch: Branch,
    ancestors: Sequence[str] = (),
    descendants: Sequence[str] = (),
    history: Sequence[Commit] = (),
    *,
    compared: str | None = None,
) -> Advanced:
    """Move a branch to a commit, unless that is an older one than it has: then nothing changes.

    Which one is older is told by the pipelines that ask, else by commits of which the asker knows that they come before
    this one or after it, else by the commits' times. The same commit is taken again, and what is then not known of it
    stays as it was. A branch that was gone comes back. `history` are commits that the asker knows: they are remembered
    in any case. `compared` is the head that the asker knows, empty for none: where it is another one by now and only
    commits can tell, nothing changes, and the asker is to look again."""
    project = home.project or branch.project
    if not commits.plausible(history):
        raise UsageError("the history is no list of commits", "It has full SHAs, and 1,000 of them at most.")
    commits.keep(home.store, project, history)
    wanted = replace(branch, project=project, seen=branch.seen or time.time())
    refused: list[str] = []
    strange: list[str] = []

    def decided(before: Branch) -> Branch | None:
        if compared is not None and _unknown(before, wanted, (*ancestors, *descendants, compared)):
            strange.append(before.head)
            return None
        if why := _older(before, wanted, ancestors, descendants):
            refused.append(why)
            return None
        return _merged(before, wanted)

    before, after = branches.change(home.store, replace(wanted, gone=None, archived=None), decided)
    if strange:
        why = f"{wanted.name} is at {strange[0][:8]} by now"
        return Advanced(taken=False, before=before, after=after, why=why, again=True)
    return Advanced(taken=not refused, before=before, after=after, why="".join(refused))


def known(home: Home) -> tuple[Branch, ...]:
    """The branches of the project, those first that were updated last."""
    return branches.known(home.store, home.project)


def named(home: Home, name: str) -> Branch | None:
    """The branch of this name; None if it is not known."""
    return branches.named(home.store, home.project, name)


def _unknown(before: Branch, new: Branch, known: Sequence[str]) -> bool:
    """Whether the branch has a head that nobody compared with the new one, and no pipelines tell which is later."""
    ordered = before.order and new.order and before.order != new.order
    return bool(before.head) and before.head not in (new.head, *known) and not ordered


def _older(before: Branch, new: Branch, ancestors: Sequence[str], descendants: Sequence[str]) -> str:
    """Why the commit is older than the branch's own; empty where it is not."""
    if not before.head or before.head == new.head:
        return ""
    newer = f"{before.name} is at {before.head[:8]} already"
    if before.order and new.order and before.order != new.order:
        return f"{newer}, by a later pipeline" if new.order < before.order else ""
    if before.head in ancestors or before.gone is not None:
        return ""
    if before.head in descendants:
        return f"{newer}, which comes after {new.head[:8]}"
    if before.committed and new.committed and new.committed < before.committed:
        return f"{newer}, which was committed later"
    return ""


def _merged(before: Branch, new: Branch) -> Branch:
    """The branch at its new commit. What does not belong to a commit stays where nothing new is known of it."""
    lasting = ("experiment", "target", "merge_request", "merge_request_url", "title")
    kept = {name: getattr(new, name) or getattr(before, name) for name in lasting}
    same = before.head == new.head
    own = ("author", "committed", "fork") if same else ()
    kept |= {name: getattr(new, name) or getattr(before, name) for name in own}
    counts = {name: getattr(new, name) for name in ("ahead", "behind")}
    if same and new.ahead is None:
        counts = {"ahead": before.ahead, "behind": before.behind}
    # An earlier pipeline of the same commit that runs again takes nothing back.
    order = max(new.order, before.order) if same else new.order or before.order
    titles = {each.key: each for each in before.tickets if each.title}
    return replace(
        new,
        **kept,
        **counts,
        order=order,
        tickets=tuple(_told(each, titles.get(each.key)) for each in new.tickets),
        gone=None,
        archived=None,
    )


def _told(ticket: Ticket, before: Ticket | None) -> Ticket:
    """The ticket; as it was where nobody tells its title just now."""
    return ticket if ticket.title or before is None else before
