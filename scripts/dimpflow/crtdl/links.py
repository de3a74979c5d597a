"""Linked groups: links that lead nowhere, and groups that nothing leads to."""

from collections.abc import Iterator, Sequence

from dimpflow.crtdl.findings import Finding, shown
from dimpflow.crtdl.shape import Group


def links(groups: Sequence[Group]) -> Iterator[Finding]:
    """Links to unknown groups; groups that are loaded by reference only, and by none. Source: torch-crtdl.md 2.4, checks 4, 5.

    A group is loaded if it is not `includeReferenceOnly`, or if a loaded group links to it: a circle of groups that only link
    to each other is never begun.
    """
    known = {group.id for group in groups if group.id}
    targets = {
        group.pointer: {link for attribute in group.attributes for _, link in attribute.links}
        for group in groups
    }
    for group in groups:
        for attribute in group.attributes:
            for place, link in attribute.links:
                if link not in known:
                    yield Finding(
                        "error", "unresolved-link", place, f"there is no group with the id {shown(link)}",
                        "refuses the document (400)", "write the id of a group, or remove the link",
                    )  # fmt: skip
    loaded = _loaded(groups, targets)
    for group in groups:
        if group.pointer in loaded:
            continue
        others = any(group.id in targets[other.pointer] for other in groups if other is not group)
        if others or group.id in targets[group.pointer]:
            yield Finding(
                "warning", "never-loaded", group.pointer,
                "the group is includeReferenceOnly, and only groups link to it that are never loaded themselves",
                "extracts nothing for it", "link to it from a group that is not includeReferenceOnly",
            )  # fmt: skip
        else:
            yield Finding(
                "warning", "unlinked-group", group.pointer, "the group is includeReferenceOnly, and no group links to it",
                "extracts nothing for it", "link to it, or remove includeReferenceOnly",
            )  # fmt: skip


def _loaded(groups: Sequence[Group], targets: dict[str, set[str]]) -> set[str]:
    """Pointers of the groups that TORCH reaches."""
    todo = [group for group in groups if not group.reference_only]
    found: set[str] = set()
    while todo:
        group = todo.pop()
        if group.pointer not in found:
            found.add(group.pointer)
            todo += [other for other in groups if other.id and other.id in targets[group.pointer]]
    return found
