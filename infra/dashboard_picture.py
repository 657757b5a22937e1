"""Draws docs/dashboard.svg, the layout of the dashboard, from the template: ``python -m infra.dashboard_picture``.

It holds no data: what is where, which metric each line is, and at which values lines are drawn.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import aws_cdk as cdk
from aws_cdk import assertions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets

from infra.dashboard import WIDTH
from infra.etcd_cluster_stack import EtcdClusterStack
from infra.settings import Settings

FILE = Path(__file__).parents[1] / "docs" / "dashboard.svg"
CONTEXT = {"etcd:etcd_client_scheme": "https", "etcd:etcd_peer_scheme": "https"}
"""With certificates, so that no widget is left out."""

_COLUMN, _ROW, _GAP = 52, 32, 4
"""Of the grid, in pixels."""

_TILES = 8
"""Alarms beside each other."""

_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
_STATISTICS = {"Maximum": "max", "Minimum": "min", "Sum": "sum", "p50": "median"}


def dashboard_body(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one dashboard of a template, as CloudWatch gets it; logical ids stand for what a deploy fills in."""
    (body,) = (
        resource["Properties"]["DashboardBody"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Dashboard"
    )
    parts = body["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else _logical_id(part) for part in parts)
    result: dict[str, Any] = json.loads(text)
    return result


def draw(body: Mapping[str, Any]) -> str:
    """Return the picture of a dashboard, as SVG."""
    widgets = body["widgets"]
    width = WIDTH * _COLUMN + 2 * _GAP
    height = max(w["y"] + w["height"] for w in widgets) * _ROW + 2 * _GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        "<style>text { font-family: 'DejaVu Sans', Helvetica, Arial, sans-serif }</style>",
        f'<rect width="{width}" height="{height}" fill="#eaeded"/>',
    ]
    for widget in widgets:
        lines += _widget(widget)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _logical_id(value: Mapping[str, Any]) -> str:
    return str(value["Fn::GetAtt"][0] if "Fn::GetAtt" in value else value["Ref"])


def _widget(widget: Mapping[str, Any]) -> Iterator[str]:
    x, y = widget["x"] * _COLUMN + 2 * _GAP, widget["y"] * _ROW + 2 * _GAP
    width, height = widget["width"] * _COLUMN - 2 * _GAP, widget["height"] * _ROW - 2 * _GAP
    properties = widget["properties"]
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="white" stroke="#b6bec9"/>'
    yield _text(x + 10, y + 20, properties["title"], size=13, more='font-weight="bold"')
    if widget["type"] == "alarm":
        yield from _alarms(properties["alarms"], x, y, width)
    else:
        yield from _metrics(properties, x, y)


def _alarms(alarms: list[str], x: int, y: int, width: int) -> Iterator[str]:
    tile = (width - 20) // _TILES
    for index, alarm in enumerate(alarms):
        left, top = x + 10 + index % _TILES * tile, y + 32 + index // _TILES * 40
        name = re.sub(r"^Monitoring(\w+?)[0-9A-F]{8}$", r"\1", alarm)
        yield f'<rect x="{left}" y="{top}" width="{tile - 8}" height="34" rx="3" fill="#f4f8f4" stroke="#1d8102"/>'
        yield _text(left + 10, top + 21, name, size=12)


def _metrics(properties: Mapping[str, Any], x: int, y: int) -> Iterator[str]:
    top = y + 44
    metrics = properties["metrics"]
    ids = {metric[-1]["id"]: metric[1] for metric in metrics if "id" in metric[-1]}
    shown = [metric for metric in metrics if metric[-1].get("visible", True)]
    for metric, colour in zip(shown, cycle(_COLOURS), strict=False):
        *name, options = metric
        if "expression" in options:
            source = re.sub(r"[a-z]+", lambda match: ids.get(match[0], match[0]), options["expression"])
        else:
            source = f"{name[0]} {name[1]}, {_STATISTICS[options['stat']]}"
        yield f'<rect x="{x + 12}" y="{top - 9}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 30, top, options["label"], size=12)
        yield _text(x + 30, top + 14, source, size=10, more='fill="#687078"')
        top += 34
    for line in properties.get("annotations", {}).get("horizontal", ()):
        yield f'<path d="M{x + 10} {top - 4}h14" stroke="#545b64" stroke-dasharray="4 2"/>'
        yield _text(x + 30, top, f"{line['label']}: {line['value']:,}", size=12)
        top += 24


def _text(x: int, y: int, text: str, *, size: int, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}"{more and " " + more}>{escape(text)}</text>'


def template() -> Mapping[str, Any]:
    """Return the template of the stack, with a function and an agent that need no bundling."""
    with tempfile.TemporaryDirectory(prefix="dashboard-") as folder:
        agent = Path(folder) / "agent"
        agent.touch()
        stack = EtcdClusterStack(
            cdk.App(outdir=folder),
            "Cluster",
            settings=Settings.from_context(CONTEXT),
            controller_code=lambda_.Code.from_inline("def handle(event, context): ..."),
            agent=partial(s3_assets.Asset, path=str(agent)),
        )
        return dict(assertions.Template.from_stack(stack).to_json())


if __name__ == "__main__":
    FILE.write_text(draw(dashboard_body(template())), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
