"""How often a failed task is tried again, when the pipelines around it have a say, too."""

from __future__ import annotations

from palmette.domain.graph import Retry
from palmette.ir.spec import RetryPolicy


def retry(policy: RetryPolicy | None) -> Retry:
    """How often a failed task is tried again."""
    if policy is None:
        return Retry()
    return Retry(
        retries=policy.max_retry_count,
        backoff=policy.backoff_duration,
        factor=policy.backoff_factor,
        longest=policy.backoff_max_duration,
    )


def within(around: Retry, own: Retry) -> Retry:
    """What applies to a task in a pipeline that is tried again as a whole: its attempts, for each of the pipeline's.

    What succeeded in that pipeline is kept, so that only its failed tasks are executed again.
    """
    if not around.retries:
        return own
    times = (around.retries + 1) * (own.retries + 1) - 1
    paced = own if own.retries else around
    return Retry(retries=times, backoff=paced.backoff, factor=paced.factor, longest=paced.longest)
