"""A picture of a field with boxes of the cells that were found in it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from cytosae_toolkit.images.cells import FoundCell
from cytosae_toolkit.images.windows import Field

_OVERVIEW = 2000  # pixels of the longer side
_KEPT, _LEFT_OUT = (255, 176, 0), (160, 160, 160)  # orange on purple and pink is seen by all


def draw_overview(field: Field, cells: Sequence[FoundCell], cut: Sequence[FoundCell]) -> Image.Image:
    """Draw a field with boxes of its cells, numbered from 1; those that its border cuts are grey."""
    factor = max(1.0, max(field.shape[:2]) / _OVERVIEW)
    picture = _shrunk(field, factor)
    draw = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 400))
    font = ImageFont.load_default(size=max(14, max(picture.size) // 45))
    for cell in cut:
        draw.rectangle([side / factor for side in cell.box], outline=_LEFT_OUT, width=line)
    for number, cell in enumerate(cells, 1):
        box = [side / factor for side in cell.box]
        draw.rectangle(box, outline=_KEPT, width=line)
        draw.text((box[0] + 2 * line, box[1] + line), str(number), _KEPT, font, stroke_width=2, stroke_fill=(0, 0, 0))
    return picture


def _shrunk(field: Field, factor: float) -> Image.Image:
    """Return the whole field smaller by a factor, read in bands."""
    height, width = field.shape[:2]
    picture = Image.new("RGB", (max(1, round(width / factor)), max(1, round(height / factor))))
    band = max(1, round(512 / factor))
    for top in range(0, picture.height, band):
        bottom = min(picture.height, top + band)
        y0, y1 = int(top * height / picture.height), int(bottom * height / picture.height)
        pixels = Image.fromarray(field.read_window(0, y0, width, max(y0 + 1, y1)))
        picture.paste(pixels.resize((picture.width, bottom - top), Image.Resampling.BILINEAR), (0, top))
    return picture
