"""What a configuration uses: providers, types of resources and data sources."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class UsedType:
    """A type of resource, or of data source."""

    name: str
    is_data: bool = False

    @property
    def provider(self) -> str:
        """The local name of its provider, which its name begins with."""
        return self.name.partition("_")[0]

    @property
    def folders(self) -> tuple[str, str]:
        """The folder of its binding in a wheel, or the one if it would be a word of JavaScript."""
        name = self.name.partition("_")[2].replace("_", "-")
        folder = f"data-{self.provider}-{name}" if self.is_data else name
        return folder, f"{folder}-resource"


def used_types(texts: Iterable[str]) -> set[UsedType]:
    """Return the types in configuration files; they are formatted, so blocks begin a line."""
    return {
        UsedType(name, kind == "data")
        for text in texts
        for kind, name in re.findall(r'^(resource|data) "(\w+)"', text, re.MULTILINE)
    }


def required_providers(texts: Iterable[str]) -> set[str]:
    """Return the names of the providers that configuration files require."""
    return {
        name
        for text in texts
        for name in re.findall(r'^\s+source\s+= "hashicorp/(\w+)"', text, re.MULTILINE)
    }
