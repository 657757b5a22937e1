"""How long to wait before the next look; pure.

Full jitter as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

from __future__ import annotations

MEMBER_FAST_PHASE_S = 900.0
LONGEST_S = 30.0
SHORTEST_S = 0.05


def after_failures(failures: int, fraction: float) -> float:
    """Return the seconds to wait after `failures` reads in a row without an answer; `fraction` is random in [0, 1)."""
    return max(SHORTEST_S, fraction * min(LONGEST_S, 0.5 * 2.0 ** min(failures, 10)))


def between_looks_of_member(waited_s: float, fraction: float) -> float:
    """Return the seconds between looks: few hosts, and the forming of a cluster waits for the last of them."""
    return 0.2 + 0.1 * fraction if waited_s < MEMBER_FAST_PHASE_S else 2.0 + 3.0 * fraction


def between_looks_of_proxy(looks: int, fraction: float) -> float:
    """Return the seconds after the `looks`-th look: 1,000 proxies may boot at once, GetParameter allows 40 a second."""
    return max(SHORTEST_S, fraction * min(LONGEST_S, 2.0 ** min(looks - 1, 10)))
