"""matplotlib without a screen, and its figures as PNG."""

import io
from typing import Any

from common.errors import UserError

_COLUMNS = 3


def pyplot() -> Any:
    """matplotlib's pyplot, drawing into memory.

    Raises:
      UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UserError(
            "pictures need matplotlib: pip install 'korean-electra-tf[plot]'"
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def panels(
    count: int,
    width: float,
    height: float,
    margins: tuple[float, float] = (0.0, 0.0),
    **options: Any,
) -> tuple[Any, list[Any]]:
    """A figure with `count` panels of this size in inches, and the panels."""
    across = max(min(count, _COLUMNS), 1)
    down = max(-(-count // across), 1)
    figure, axes = pyplot().subplots(
        *(down, across),
        figsize=(width * across + margins[0], height * down + margins[1]),
        squeeze=False,
        layout="constrained",
        **options,
    )
    for panel in axes.flat:
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
    for panel in axes.flat[count:]:
        panel.set_axis_off()
    return figure, list(axes.flat[:count])


def legend(figure: Any, shown: list[tuple[str, dict[str, Any]]]) -> None:
    """Names above the panels, each beside a line or marker of these properties."""
    lines = [pyplot().Line2D([], [], **properties) for _, properties in shown]
    place = {"loc": "outside upper center", "ncols": len(shown) or 1}
    figure.legend(lines, [name for name, _ in shown], frameon=False, **place)


def png(figure: Any) -> bytes:
    """The figure as a PNG; it is closed."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    pyplot().close(figure)
    return image.getvalue()
