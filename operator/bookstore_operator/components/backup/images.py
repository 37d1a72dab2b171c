"""Which image of the backup tool suits a BookStore's database."""

from bookstore_operator.core.postgres_versions import major_of
from bookstore_operator.core.snapshot import Snapshot


def backup_image(snapshot: Snapshot) -> str | None:
    """Return the image that is made for the database's major version; None if there is none."""
    images = snapshot.settings.backup_images
    major = postgres_major(snapshot)
    if major is None:  # the only one is what there is to try
        return next(iter(images.values())) if len(images) == 1 else None
    return images.get(major)


def postgres_major(snapshot: Snapshot) -> int | None:
    """Return the major version of a BookStore's database; None if it is unknown.

    An external one is taken to be of the embedded ones' version: the tool itself refuses a server
    that it does not suit, by name.
    """
    return major_of(snapshot.settings.postgres_image)


def image_missing(snapshot: Snapshot) -> str | None:
    """Return that there is no image for the database's major version, and what to set."""
    if backup_image(snapshot):
        return None
    settings = snapshot.settings
    known = ", ".join(f"{major}={image}" for major, image in sorted(settings.backup_images.items()))
    major = postgres_major(snapshot)
    if major is None:
        return (
            f"It is unknown which major version of PostgreSQL {settings.postgres_image} is, so no "
            f"image of the backup tool can be chosen ({known or 'none is set'}). Give the "
            "operator's --postgres-image a tag that begins with the version."
        )
    return (
        f"There is no image of the backup tool for PostgreSQL {major} ({known or 'none is set'}). "
        f"Set the operator's --backup-image={major}=IMAGE to one that is built with PostgreSQL "
        f"{major}."
    )
