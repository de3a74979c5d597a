"""The tree of one top-level resource, the text of its values, and what may be written into them (2.1, 2.5, 3)."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from . import table
from .errors import Refused
from .temporal import instant_from

INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})

_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_ASCII_BLANKS = re.compile(r"[ \t\n\r\f\v]+")

_LONGEST = 400


class Unworkable:
    """A decimal that is too large to work with. It may stay; whatever asks for it refuses."""


Value = bool | int | Decimal | str | Unworkable


@dataclass(eq=False)
class Node:
    """One element instance. Children are always in definition order."""

    name: str
    type_key: str
    type_name: str
    value_set: str | None = None
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    value: Value | None = None
    json: str = ""
    """The value as it is written; only meaningful if there is a value."""
    handled: bool = False
    came_empty: bool = False
    """It came as `{}` and no rule has changed that."""
    is_resource: bool = False
    original_id: str = ""
    """Of a resource: its id before any rule."""
    original_owner: str = ""
    """Of a resource: the id of the patient whose it is, before any rule; '' for none."""

    @property
    def is_primitive(self) -> bool:
        """Whether nodes of this type have a value."""
        return self.type_key in table.PRIMITIVES

    def add(self, child: "Node") -> None:
        """Take a child in, after those of the same or an earlier place in the definition."""
        index = len(self.children)
        child_place = table.place(self.type_key, child.name)
        while index > 0 and table.place(self.type_key, self.children[index - 1].name) > child_place:
            index -= 1
        self.children.insert(index, child)
        child.parent = self

    def detach(self) -> None:
        """Leave the parent, if there is one."""
        if self.parent is not None:
            self.parent.children.remove(self)
            self.parent = None

    def named(self, name: str) -> list["Node"]:
        """The children with that name."""
        return [child for child in self.children if child.name == name]

    def descendants(self) -> Iterator["Node"]:
        """All nodes below, parents first, nested resources included."""
        for child in list(self.children):
            yield child
            yield from child.descendants()

    def text(self) -> str:
        """The value as methods see it: '' without a value; text of nothing but white space is no FHIR (3)."""
        if isinstance(self.value, str) and not self.value:
            raise Refused("text of nothing but white space")
        return "" if self.value is None else value_text(self.value)

    def clear(self) -> None:
        """Take the value away."""
        self.value = None

    def write(self, new: bool | str) -> None:
        """Give the node what a method made of it, trimmed, if it fits the type (2.1, 2.5)."""
        new = new.strip() if isinstance(new, str) else new
        if new == "":
            self.clear()
        else:
            self.value, self.json = _fitting(self, new)

    def resource(self) -> "Node":
        """The nearest resource around the node, which may be the node itself."""
        node = self
        while not node.is_resource:
            assert node.parent is not None
            node = node.parent
        return node

    def identity(self) -> str:
        """`Type/id` of the nearest resource, behind that of its container if it is contained."""
        resource = self.resource()
        own = f"{resource.type_name}/{resource.original_id}"
        if resource.name == "contained" and resource.parent is not None:
            return resource.parent.identity() + "#" + own
        return own

    def locus(self) -> str:
        """`Parent type.name`: where the node stands; what stands beside a primitive belongs to an `Element`."""
        assert self.parent is not None
        return f"{'Element' if self.parent.is_primitive else self.parent.type_name}.{self.name}"


def value_text(value: Value) -> str:
    """The string form of a value (3): numbers without exponent, booleans with a capital letter."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, Unworkable):
        raise Refused("a number that is too large to work with")
    if isinstance(value, Decimal):
        return format(abs(value) if value == 0 else value, "f")
    return str(value)


def decimal_value(text: str) -> Decimal | Unworkable:
    """The value of a JSON number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Unworkable()
    exponent = number.as_tuple().exponent
    return number if isinstance(exponent, int) and abs(exponent) + len(text) <= _LONGEST else Unworkable()


def to_json(text: str) -> str:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=False)


def whole_number(text: str) -> int | None:
    """The number, if the text is an integer that FHIR's integer types can hold."""
    if not _WHOLE_NUMBER.fullmatch(text) or len(text) > len("-2147483648"):
        return None
    return int(text) if -(2**31) <= int(text) < 2**31 else None


def normal_base64(text: str) -> str | None:
    """Valid base64 without white space, else None."""
    bare = _ASCII_BLANKS.sub("", text)
    if _BASE64.fullmatch(bare) is None:
        return None
    try:
        return base64.b64encode(base64.b64decode(bare, validate=True)).decode()
    except binascii.Error:
        return None


def _fitting(node: Node, new: bool | str) -> tuple[Value, str]:
    """Value and JSON of something written into a node of that type; refused if it does not fit (2.5 item 4)."""
    if node.type_key == "boolean":
        truth = {"true": True, "false": False}.get(new.lower()) if isinstance(new, str) else new
        if truth is not None:
            return truth, "true" if truth else "false"
    elif isinstance(new, bool):
        pass
    elif node.type_key in INTEGERS:
        number = whole_number(new)
        if number is not None:
            return number, str(number)
    elif node.type_key == "decimal":
        if _DECIMAL.fullmatch(new):
            return Decimal(new), new
    elif node.type_key == "instant":
        instant = instant_from(new)
        if instant is not None:
            return instant, to_json(instant)
    elif node.type_key == "base64Binary":
        bare = normal_base64(new)
        if bare:
            return bare, to_json(bare)
    elif node.value_set is None or new in table.CODES[node.value_set]:
        return new, to_json(new)
    raise Refused(f"{node.name}: what was written does not fit {node.type_key}")
