"""Image files that come from elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from ..errors import UserError
from .archives import Member

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm"}


@contextmanager
def opened(
    file: str | Path | Member, what: str = "image", remedy: str = "replace or remove it"
) -> Iterator[Image.Image]:
    """An image file, or one in an archive, open for the block.

    Raises UserError when it cannot be read, there or in the block; so too when it claims more pixels than Pillow takes
    for honest: a file of a few bytes can claim any number.
    """
    try:
        with Image.open(BytesIO(file.content()) if isinstance(file, Member) else file) as image:
            yield image
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{file} is not a readable {what} ({error}): {remedy}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(
            f"{file} claims to have more than {Image.MAX_IMAGE_PIXELS} pixels and is not read: replace it, or make it "
            "smaller."
        ) from None
