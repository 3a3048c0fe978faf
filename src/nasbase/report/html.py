"""What every page is made of: one file with its styles, its scripts and its text inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

SYNTHETIC = "Made-up numbers: a sample in upstream's format. Nothing here was measured."
"""Banner of every page that shows a synthetic build."""

_ICON = (
    "data:image/svg+xml;base64,"
    + base64.b64encode(
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        b'<path fill="#0072b2" d="M1 15h3V8H1zM6.5 15h3V1h-3zM12 15h3V5h-3z"/></svg>'
    ).decode()
)
"""Without an icon of its own a browser asks the server for one."""


def asset(name: str) -> str:
    """Text of a file beside this module."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def page(title: str, body: Iterable[str], *, synthetic: bool, scripts: Sequence[str] = ()) -> str:
    """A whole page.

    Parameters
    ----------
    title
        Plain text.
    body
        Pieces of HTML.
    synthetic
        Whether a build on the page is made up; then the page has the banner.
    scripts
        Program texts, run in order at the end.
    """
    banner = f'<p class="banner" role="alert">{SYNTHETIC}</p>' if synthetic else ""
    programs = [*scripts, asset("page.js")]
    return "\n".join([
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="icon" href="{_ICON}">',
        f"<title>{escape(title)}</title>",
        f"<style>{asset('page.css')}</style>",
        "</head>",
        "<body>",
        banner,
        "<main>",
        *body,
        "</main>",
        *map(_script, programs),
        "</body>",
        "</html>",
        "",
    ])  # fmt: skip


def _script(text: str) -> str:
    """A program inside the page; the one thing it must not hold is the end of itself."""
    return "<script>" + text.replace("</script", "<\\/script") + "</script>"


def section(anchor: str, title: str, *body: str) -> str:
    """A part of a page, with a heading that links can name."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(body)}</section>'


def paragraph(text: str) -> str:
    """Plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, sides: str, caption: str = ""
) -> str:
    """A table that scrolls inside its own box on a narrow screen.

    Parameters
    ----------
    head
        Plain text.
    rows
        Cells as HTML (escape plain text).
    sides
        ``<`` or ``>`` per column: numbers stand to the right.
    """
    classes = ["" if side == "<" else ' class="number"' for side in sides]
    lines = ['<div class="wide"><table>', f"<caption>{escape(caption)}</caption>" * bool(caption)]
    named = "".join(f"<th{c}>{escape(t)}</th>" for c, t in zip(classes, head, strict=True))
    lines.append(f"<thead><tr>{named}</tr></thead>")
    lines.append("<tbody>")
    for row in rows:
        cells = zip(classes, row, strict=True)
        lines.append("<tr>" + "".join(f"<td{c}>{cell}</td>" for c, cell in cells) + "</tr>")
    lines.append("</tbody></table></div>")
    return "".join(lines)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values (HTML) below each other."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in pairs)
    return f"<dl>{items}</dl>"


def copyable(text: str) -> str:
    """Text with a button that copies it."""
    return (
        f'<span class="copy"><code>{escape(text)}</code><button type="button">copy</button></span>'
    )


def details(summary: str, body: str, *, opened: bool = False) -> str:
    """What is there for those who open it."""
    return f"<details{' open' * opened}><summary>{escape(summary)}</summary>{body}</details>"


def link(url: str | None) -> str:
    """An address of the web as a link; nothing is loaded from it."""
    if url is None:
        return "not stated"
    if not url.startswith(("https://", "http://")):
        return escape(url)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(url)}</a>'


def size(count: int) -> str:
    """A number of bytes for people."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
