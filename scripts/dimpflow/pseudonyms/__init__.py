"""Where pseudonyms come from. A source is a function from (domain, original) to the pseudonym."""

from collections.abc import Callable

Pseudonyms = Callable[[str, str], str]
