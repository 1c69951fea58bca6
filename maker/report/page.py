"""Templates, and the format of figures in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from task.format.manifest import Manifest

if TYPE_CHECKING:
    import jinja2

FOLDER = Path(__file__).parent


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # part of the extra `maker`, which `maker index` and `maker inspect` do not need

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def template(name: str) -> jinja2.Template:
    """A template of this package; in `.html` templates values are escaped."""
    return _environment().get_template(name)


def percent(share: float) -> str:
    """A share in [0, 1] as percent, with one decimal below 10 %."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 10 else f"{value:.0f} %"


def index_in_words(manifest: Manifest) -> str:
    """The type of the index in words."""
    index = manifest.index
    rows = f"{index.get('rows', 'unknown')} rows"
    if index.get("kind") == "exact":
        return f"{rows}; a query scans all of them"
    return f"{rows} in {index.get('leaves')} leaves; a query scans {percent(index.get('share_scanned', 1.0))} of them"
