"""Major versions of PostgreSQL, and the backup images that are made for them."""

import re
from collections.abc import Iterable, Mapping

_MAJOR = re.compile(r"(?:pg)?(\d{1,3})(?!\d)")
_ASSIGNED = re.compile(r"(\d{1,3})=(.*)")


def major_of(image: str) -> int | None:
    """Return the major version that the tag of an image of PostgreSQL begins with, if any."""
    name = image.partition("@")[0].rpartition("/")[2]
    match = _MAJOR.match(name.partition(":")[2])
    return int(match[1]) if match else None


def backup_images(options: Iterable[str], postgres_image: str) -> Mapping[int, str]:
    """Return images by major from options `MAJOR=IMAGE`; raises ValueError.

    One without a major is for that of the embedded databases' image; 0 if its tag has none.
    """
    images: dict[int, str] = {}
    for option in filter(None, options):
        assigned = _ASSIGNED.fullmatch(option)
        major = int(assigned[1]) if assigned else major_of(postgres_image) or 0
        image = assigned[2] if assigned else option
        if not image or re.search(r"\s", image):
            raise ValueError(f'--backup-image={option}: "{image}" is no image')
        images[major] = image
    return images
