"""`${VARIABLE}` in the configuration: values from the environment."""

import re
from collections.abc import Mapping

from dimpflow.errors import ConfigError

VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


def expand(value: str, environ: Mapping[str, str], key: str) -> str:
    """`value` with every `${VARIABLE}` (upper-case) replaced from the environment.

    Raises:
        ConfigError: a variable is not set; the message names it and the key.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ConfigError(
                f"{key}: the environment variable {match[1]} is not set (export {match[1]}=...)"
            )
        return environ[match[1]]

    return VARIABLE.sub(replace, value)
