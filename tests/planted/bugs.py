"""All planted bugs."""

from __future__ import annotations

from tests.planted.bugs_of_joining import JOINING_BUGS
from tests.planted.bugs_of_leaving import LEAVING_BUGS
from tests.planted.bugs_of_the_rest import OTHER_BUGS

BUGS = (*LEAVING_BUGS, *JOINING_BUGS, *OTHER_BUGS)
