"""What the tests show for docs/tour.md. It is kept only where `TOOTSTRAP_TOUR` names a directory (`make tour`)."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image


#: So many colours are enough for text, and make a small file.
COLORS = 32


def directory() -> Path | None:
    named = os.environ.get("TOOTSTRAP_TOUR")
    if not named:
        return None
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)


def keep_picture(path: Path) -> None:
    """Under its own name."""
    if to := directory():
        Image.open(path).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(to / path.name, optimize=True)
