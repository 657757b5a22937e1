"""How long to wait before the next look; pure.

Full jitter as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

from __future__ import annotations

MEMBER_FAST_PHASE_S = 900.0
CERTIFICATE_FAST_PHASE_S = 60.0
LONGEST_S = 30.0
LONGEST_OF_PROXY_S = 35.0
SHORTEST_S = 0.05
SHORTEST_BETWEEN_REQUESTS_S = 60.0
LONGEST_BETWEEN_REQUESTS_S = 600.0


def after_failures(failures: int, fraction: float) -> float:
    """Return the seconds to wait after `failures` reads in a row without an answer; `fraction` is random in [0, 1)."""
    return max(SHORTEST_S, fraction * min(LONGEST_S, 0.5 * 2.0 ** min(failures, 10)))


def between_looks_of_member(waited_s: float, fraction: float) -> float:
    """Return the seconds between looks: few hosts, and the forming of a cluster waits for the last of them."""
    if waited_s >= MEMBER_FAST_PHASE_S:
        return 2.0 + 3.0 * fraction
    return _soon(waited_s / 8, fraction, shortest_s=SHORTEST_S, longest_s=0.2)


def between_looks_of_proxy(
    looks: int, fraction: float, *, is_throttled: bool = False, is_of_many: bool = False
) -> float:
    """Return the seconds after a proxy's `looks`-th look.

    GetParameter allows 40 a second. Many are spread over what 1,000 need at least, 25 s, and some more; those that have
    been spread and only wait for the record keep their distance: 1,000 of them ask 38 times a second.

    Args:
        looks: so far.
        fraction: random in [0, 1).
        is_throttled: this look was.
        is_of_many: this look or one before it was throttled, so there are more of them than the limit bears.
    """
    longest_s = LONGEST_OF_PROXY_S if is_of_many else 2.0 ** min(looks - 1, 10)
    if is_throttled or longest_s < LONGEST_OF_PROXY_S:
        return max(SHORTEST_S, fraction * longest_s)
    return (0.5 + 0.5 * fraction) * LONGEST_OF_PROXY_S


def between_looks_for_certificate(waited_s: float, fraction: float) -> float:
    """Return the seconds between looks at the controller's answer, which takes up to 2 s where all is well.

    The hosts of a cluster boot together, and ask together: what they read is most of what forming a cluster reads.
    """
    if waited_s >= CERTIFICATE_FAST_PHASE_S:
        return 2.0 + 3.0 * fraction
    return _soon(waited_s / 2, fraction, shortest_s=2 * SHORTEST_S, longest_s=1.0)


def before_asking_again(asked: int, fraction: float) -> float:
    """Return the seconds after the `asked`-th request: PutParameter allows 3 a second in a whole account."""
    return (0.5 + 0.5 * fraction) * min(
        LONGEST_BETWEEN_REQUESTS_S, SHORTEST_BETWEEN_REQUESTS_S * 2.0 ** min(asked - 1, 10)
    )


def _soon(part_of_the_wait_s: float, fraction: float, *, shortest_s: float, longest_s: float) -> float:
    """Return that part, and up to half as much again: what comes is seen late by a part of what was waited."""
    return min(max(part_of_the_wait_s, shortest_s), longest_s) * (1.0 + 0.5 * fraction)
