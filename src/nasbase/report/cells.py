"""Pictures of architectures: SVG of our own, with a fixed layout.

Cells are arc diagrams: the nodes in a column, in the order of computation, and every edge an arc
beside it. No edge can cross a node, whatever the cell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from nasbase.tables.catalogue import TOPOLOGY_EDGES

OP_COLOURS = {
    "conv3x3-bn-relu": "#0072b2",
    "conv1x1-bn-relu": "#56b4e9",
    "maxpool3x3": "#e69f00",
    "nor_conv_3x3": "#0072b2",
    "nor_conv_1x1": "#56b4e9",
    "avg_pool_3x3": "#e69f00",
    "max_pool_3x3": "#d55e00",
    "skip_connect": "#009e73",
    "none": "#c4c9d0",
}
"""One colour per kind of operation."""

_OTHERS = ("#0072b2", "#cc79a7", "#8c6d31", "#7b4173", "#3182bd", "#637939", "#843c39", "#5254a3")

_GREY = "#5b6470"

_MARKER = (
    '<defs><marker id="arrow" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" '
    'orient="auto"><path d="M0 0L6 3L0 6z" fill="context-stroke"/></marker></defs>'
)
"""Head of an arrow, in the colour of its line."""


class Edge(NamedTuple):
    """From one node to a later one; a label is written at its arc, a hint is told by a pointer."""

    start: int
    end: int
    colour: str = _GREY
    label: str = ""
    hint: str = ""
    dashed: bool = False


def draw(benchmark: str, architecture: Mapping[str, Any]) -> str:
    """An architecture as SVG.

    Parameters
    ----------
    architecture
        Its row in the table ``architectures``.
    """
    if benchmark == "nb101":
        return _vertices(architecture)
    if benchmark == "nats_sss":
        widths = [architecture[f"c{i}"] for i in range(5)]
        return stages(widths, [f"{w}" for w in widths], "output channels of each layer")
    if benchmark == "nds":
        return _nds(architecture)
    return _topology(architecture)


def _vertices(architecture: Mapping[str, Any]) -> str:
    """NAS-Bench-101: operations on the vertices."""
    names = architecture["operations"].split(",")
    n = len(names)
    bits = architecture["adjacency"]
    edges = [Edge(i, j) for i in range(n) for j in range(i + 1, n) if bits[i * n + j] == "1"]
    return arcs(names, [OP_COLOURS.get(name, "#1b1f24") for name in names], edges, "cell")


def _topology(architecture: Mapping[str, Any]) -> str:
    """NAS-Bench-201 and NATS-Bench: operations on the edges of four nodes."""
    edges = []
    for column in TOPOLOGY_EDGES:
        op = architecture[column]
        start, end = int(column[3]), int(column[5])
        edges.append(Edge(start, end, OP_COLOURS.get(op, _GREY), op, dashed=op == "none"))
    names = ["input", "node 1", "node 2", "output"]
    return arcs(names, ["#1b1f24"] * 4, edges, "cell", step=72, node_width=62)


def _nds(architecture: Mapping[str, Any]) -> str:
    """NDS: two cells with two operations per block, or the stages of a network."""
    spec = json.loads(architecture["model_spec"])
    cell = json.loads(architecture["cell_spec"])
    if not cell:
        texts = []
        for i, (depth, width) in enumerate(zip(spec["ds"], spec["ws"], strict=True)):
            more = f", {spec['num_gs'][i]} groups" if "num_gs" in spec else ""
            texts.append(f"{depth} x {width}{more}")
        return stages(spec["ws"], texts, "stages: depth x width")
    return "".join(_genotype(cell, kind) for kind in ("normal", "reduce"))


def _genotype(cell: Mapping[str, Any], kind: str) -> str:
    names, edges = ["h[i-2]", "h[i-1]"], []
    block = 0
    while f"{kind}_{block}_op_x" in cell:
        ops = [cell[f"{kind}_{block}_op_{side}"] for side in "xy"]
        names.append(" + ".join(ops))
        for side, op in zip("xy", ops, strict=True):
            start = int(cell[f"{kind}_{block}_input_{side}"])
            edges.append(Edge(start, block + 2, _op_colour(op), hint=op, dashed=op == "none"))
        block += 1
    names.append("concatenation")
    edges += [Edge(int(i), block + 2) for i in cell[f"{kind}_concat"]]
    return arcs(names, ["#1b1f24"] * len(names), edges, f"{kind} cell", node_width=210)


def _op_colour(op: str) -> str:
    """The colour of an operation: a fixed one, else one by its name."""
    return OP_COLOURS.get(op) or _OTHERS[sum(op.encode()) % len(_OTHERS)]


# ---------------------------------------------------------------------------------------------
# drawing


def arcs(
    names: Sequence[str],
    colours: Sequence[str],
    edges: Sequence[Edge],
    title: str,
    *,
    step: int = 44,
    node_width: int = 130,
) -> str:
    """An arc diagram: nodes from top to bottom, an arc per edge.

    Edges to the next node are straight; longer ones alternate between the right and the left side
    and bulge with their length. Edges between the same two nodes lie beside each other.
    """
    width, left, top = 360, (360 - node_width) // 2, 30
    height = top + step * (len(names) - 1) + 34
    parts = [f'<text x="8" y="16" font-size="12" fill="{_GREY}">{escape(title)}</text>']
    labels = []
    seen: dict[tuple[int, int], int] = {}
    long = 0
    for edge in sorted(edges, key=lambda e: (e.end - e.start, e.start, e.end)):
        repeat = seen.get((edge.start, edge.end), 0)
        seen[edge.start, edge.end] = repeat + 1
        y1, y2 = (top + step * node + 12 for node in (edge.start, edge.end))
        if edge.end - edge.start == 1:
            x = width // 2 + 14 * repeat
            path = f"M{x} {y1 + 12}L{x} {y2 - 14}"
            at, anchor = x + 6.0, "start"
        else:
            side = 1 if long % 2 == 0 else -1
            long += 1
            x = left + node_width if side > 0 else left
            reach = _reach(edge, repeat, left)
            bulge = x + side * reach
            path = f"M{x} {y1}C{bulge} {y1} {bulge} {y2} {x + side * 2} {y2}"
            # A cubic arc comes to three quarters of its control points' distance.
            at, anchor = x + side * (0.75 * reach + 4), "start" if side > 0 else "end"
        parts.append(_arrow(edge, path))
        if edge.label:
            labels.append(_label(edge.label, at, (y1 + y2) / 2 + 4, anchor))
    for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
        y = top + step * i
        parts.append(
            f'<rect x="{left}" y="{y}" width="{node_width}" height="24" rx="5" fill="white" '
            f'stroke="{colour}" stroke-width="2"/><text x="{width // 2}" y="{y + 16}" '
            f'text-anchor="middle" font-size="11" fill="#1b1f24">{escape(name)}</text>'
        )
    return _svg(width, height, title, _MARKER + "".join(parts + labels))


def _reach(edge: Edge, repeat: int, room: int) -> int:
    """How far an arc bulges; one with a label leaves room for it."""
    span = edge.end - edge.start
    return 18 + 20 * span if edge.label else min(26 + 16 * span + 10 * repeat, room - 8)


def _arrow(edge: Edge, path: str) -> str:
    hint = f"<title>{escape(edge.hint)}</title>" if edge.hint else ""
    dash = ' stroke-dasharray="3 3"' if edge.dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{edge.colour}" stroke-width="2"{dash} '
        f'marker-end="url(#arrow)">{hint}</path>'
    )


def _label(text: str, x: float, y: float, anchor: str) -> str:
    """Text at an arc, with a white rim that keeps it readable over lines."""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="10" fill="#1b1f24" '
        f'stroke="white" stroke-width="3" paint-order="stroke">{escape(text)}</text>'
    )


def stages(widths: Sequence[float], texts: Sequence[str], title: str) -> str:
    """Bars below each other, as wide as the layers are."""
    most = max(widths)
    parts = [f'<text x="8" y="16" font-size="12" fill="{_GREY}">{escape(title)}</text>']
    for i, (width, text) in enumerate(zip(widths, texts, strict=True)):
        y, length = 26 + 28 * i, 220 * width / most
        parts.append(
            f'<rect x="8" y="{y}" width="{length:g}" height="20" fill="#0072b2"/>'
            f'<text x="{length + 14:g}" y="{y + 14}" font-size="11" fill="#1b1f24">'
            f"{escape(text)}</text>"
        )
    return _svg(360, 36 + 28 * len(widths), title, "".join(parts))


def _svg(width: int, height: int, title: str, content: str) -> str:
    return (
        f'<svg class="drawing" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif">'
        f"{content}</svg>"
    )
