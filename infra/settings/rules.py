"""How one setting is read from CDK context and what it may be.

A value from ``cdk.json`` is a number, a text or a flag; the same value from ``cdk deploy -c key=value`` is always
text. Both forms are read, and a value that fits neither is refused with the key, the value and what was expected.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

KEY_PREFIX = "etcd:"
"""All keys of this app begin with it, so that a misspelt one can be told from another tool's."""


class SettingsError(ValueError):
    """One or more settings cannot be used; each line of the text is one problem, naming its key."""


class Rule(Protocol):
    """Reads one value, or says what it should have been."""

    @property
    def expected(self) -> str:
        """What a value must be, for messages and for the documentation."""

    def read(self, raw: object) -> object:
        """Return the typed value.

        Raises:
            ValueError: The value does not fit.
        """


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole number between two bounds, both allowed."""

    minimum: int
    maximum: int

    @property
    def expected(self) -> str:
        """The range."""
        return f"a whole number from {self.minimum} to {self.maximum}"

    def read(self, raw: object) -> int:
        """Read a number or its decimal text."""
        value = _whole(raw)
        if not self.minimum <= value <= self.maximum:
            raise ValueError
        return value


@dataclass(frozen=True, kw_only=True)
class WholeOf:
    """One of a few whole numbers."""

    choices: tuple[int, ...]
    because: str = ""

    @property
    def expected(self) -> str:
        """The choices, and why there are no others."""
        return f"one of {', '.join(map(str, self.choices))}{self.because and f' ({self.because})'}"

    def read(self, raw: object) -> int:
        """Read a number or its decimal text."""
        value = _whole(raw)
        if value not in self.choices:
            raise ValueError
        return value


@dataclass(frozen=True, kw_only=True)
class TextOf:
    """One of a few words."""

    choices: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The choices."""
        return f"one of {', '.join(self.choices)}"

    def read(self, raw: object) -> str:
        """Read a word exactly as it is spelt."""
        if raw not in self.choices:
            raise ValueError
        return str(raw)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text of a certain form; empty only where the form says so."""

    form: str
    expected: str

    def read(self, raw: object) -> str:
        """Read a text."""
        if not isinstance(raw, str) or not re.fullmatch(self.form, raw):
            raise ValueError
        return raw


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    expected: str = "true or false"

    def read(self, raw: object) -> bool:
        """Read a flag or its text."""
        if isinstance(raw, bool):
            return raw
        if raw not in ("true", "false"):
            raise ValueError
        return raw == "true"


@dataclass(frozen=True, kw_only=True)
class Cidr:
    """An IPv4 network with a prefix between two lengths."""

    longest: int
    shortest: int

    @property
    def expected(self) -> str:
        """The form."""
        return f"an IPv4 network without host bits such as 10.0.0.0/16, prefix /{self.shortest} to /{self.longest}"

    def read(self, raw: object) -> str:
        """Read a network; host bits must be zero, for EC2 would silently drop them."""
        if not isinstance(raw, str) or "/" not in raw:
            raise ValueError
        network = ipaddress.IPv4Network(raw, strict=True)
        if not self.shortest <= network.prefixlen <= self.longest:
            raise ValueError
        return raw


def setting(default: Any, rule: Rule, meaning: str, *, unit: str = "") -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare a field that is read from context by ``rule``; ``meaning`` and ``unit`` go into the documentation."""
    return field(default=default, metadata={"rule": rule, "meaning": meaning, "unit": unit})


def _whole(raw: object) -> int:
    # bool is an int to Python, but `true` is no number of anything.
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError  # noqa: TRY004 - callers turn it into a message naming the key
    # jsii hands every JSON number over as a float once it has passed through JavaScript.
    if isinstance(raw, float):
        if not raw.is_integer():
            raise ValueError
        return int(raw)
    if isinstance(raw, str) and not re.fullmatch(r"-?[0-9]+", raw):
        raise ValueError
    return int(raw)
