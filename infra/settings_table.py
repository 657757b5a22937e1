"""The table of docs/settings.md: ``python -m infra.settings_table`` prints it."""

import sys

from infra.setting_rules import KEY_PREFIX
from infra.settings import declared_settings


def render_table() -> str:
    """Return one Markdown row for each setting, in the order of the classes that hold them."""
    rows = ["| key | default | unit | may be | is |", "| --- | --- | --- | --- | --- |"]
    for _, field in declared_settings():
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        cells = (
            f"`{KEY_PREFIX}{field.name}`",
            "empty" if default == "" else f"`{default}`",
            field.metadata["unit"],
            field.metadata["rule"].expected,
            field.metadata["meaning"],
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_table())
