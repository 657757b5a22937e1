"""The tables of docs/settings.md and README.md: ``python -m infra.settings.table`` prints both."""

import sys

from infra.settings import declared_settings
from infra.settings.rules import KEY_PREFIX


def render_table() -> str:
    """Return one Markdown row for each setting, in the order of the classes that hold them."""
    rows = ["| key | default | unit | may be | is |", "| --- | --- | --- | --- | --- |"]
    for _, field in declared_settings():
        cells = (
            f"`{KEY_PREFIX}{field.name}`",
            _default(field.default),
            field.metadata["unit"],
            field.metadata["rule"].expected,
            field.metadata["meaning"],
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def render_short_table() -> str:
    """Return one Markdown row for each setting: key, default with its unit, meaning."""
    rows = ["| key | default | is |", "| --- | --- | --- |"]
    for _, field in declared_settings():
        default = f"{_default(field.default)} {field.metadata['unit']}".strip()
        rows.append(f"| `{KEY_PREFIX}{field.name}` | {default} | {field.metadata['meaning']} |")
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "empty"


if __name__ == "__main__":
    sys.stdout.write(f"{render_table()}\n{render_short_table()}")
