"""matplotlib without a screen, and its figures as PNG."""

import io
from typing import Any

from common.cli import UserError


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


def png(figure: Any) -> bytes:
    """The figure as a PNG; it is closed."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    pyplot().close(figure)
    return image.getvalue()
