"""The page of the environment: versions of all that can change a byte of the result, and how long the steps took."""

from collections.abc import Iterator, Mapping

from dimpflow.audit.pages.frame import NONE, Cell, Facts, Html, Page, code, heading, paragraph, table

_HOW = "With the same input, rule set, key and configuration, and these versions, the result comes out the same, byte for byte, on any number of cores."
_STEPS = (
    "The number of a step is raised whenever it would write other bytes for the same input. Seconds: summed over the jobs of a step, which "
    "may have run side by side."
)


def environment_page(facts: Facts) -> Page:
    """The page."""
    return Page("Environment: with what the result was made", list(_parts(facts)))


def _parts(facts: Facts) -> Iterator[Html]:
    software = facts["software"]
    yield paragraph(_HOW)
    yield heading("Software")
    commit = code(software["commit"]) if software["commit"] else NONE
    rows: list[tuple[Cell, ...]] = [
        ("DIMP Workflow", software["dimpflow"]),
        ("its commit in git", commit),
        ("Python", software["python"]),
        ("Snakemake", software["snakemake"]),
        ("Operating system", software["platform"]),
    ]
    yield table(("Software", "Version"), rows)
    yield Html('<div class="beside"><div>')
    yield heading("Python packages")
    yield _versions(software["packages"], "Package")
    yield heading("Libraries beneath them")
    yield _versions(software["libraries"], "Library")
    yield Html("</div><div>")
    yield heading("Steps")
    yield table(("Step", "Version of what it writes", "Seconds"), list(_steps(facts)), "whole dense")
    yield paragraph(_STEPS, "small")
    yield Html("</div></div>")
    if options := facts["rules"]["options"]:
        yield heading("Configuration that changes what the rules do")
        rows = [(code(name), code(_plain(value))) for name, value in sorted(options.items())]
        yield table(("Key", "Value"), rows, "whole dense")


def _versions(versions: Mapping[str, str], what: str) -> Html:
    return table((what, "Version"), list(versions.items()), "whole dense")


def _steps(facts: Facts) -> Iterator[tuple[Cell, ...]]:
    seconds = facts["run"]["seconds"]
    for step, version in facts["software"]["output_versions"].items():
        yield step, version, float(seconds[step]) if step in seconds else NONE


def _plain(value: object) -> str:
    """As the configuration would write it."""
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "none"}[value]
    return str(value) if value or value == 0 else NONE
