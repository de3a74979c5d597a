"""The values that identify people, of what a walk has told; what is not as expected is left to others."""

from numba import types

from dimpflow.native.compiled import compiled
from dimpflow.native.contacts import put_address, put_birth, put_contact_point
from dimpflow.native.names import put_displayed, put_name, put_reference, tells
from dimpflow.native.types import BYTES, WRITABLE_FRAMES, Bytes, Frames
from dimpflow.native.values import KNOWN, NO_ROOM, OTHERWISE, ROOM, TAKEN, Known, Room

HUMAN_NAME, ADDRESS, REFERENCE, EXTENSION, CONTACT_POINT, AUTHOR, BIRTH_DATE = range(16, 23)
"""Codes of objects and texts that are told by a walk."""
DONE = 0
"""The code of what nobody else need look at."""


@compiled(types.int64(BYTES, WRITABLE_FRAMES, types.int64, types.int64, types.int64, KNOWN, ROOM))
def take_values(
    data: Bytes, events: Frames, at: int, count: int, staff: int, known: Known, room: Room
) -> int:
    """Take the values of what a walk has told, from one event on; where to go on once there is room again, `count` in the end.

    events: its rows, whose code becomes DONE for what nobody else need look at; staff: the state of those whose names are staff's.
    """
    while at < count:
        code, first, last, resource = events[at, 0], events[at, 1], events[at, 2], events[at, 3]
        before = room.counts[0]
        done = OTHERWISE
        if code == HUMAN_NAME:
            done = put_name(data, first, last, events[at, 4] == staff, resource, known, room)
        elif code == ADDRESS:
            done = put_address(data, first, last, resource, known, room)
        elif code == REFERENCE:
            done = put_reference(data, first, last, resource, known, room)
        elif code == AUTHOR:
            done = put_displayed(data, first, last, resource, known, room)
        elif code == CONTACT_POINT:
            done = put_contact_point(data, first, last, resource, known, room)
        elif code == BIRTH_DATE:
            done = put_birth(data, first, last, resource, known, room)
        elif code == EXTENSION:
            done = OTHERWISE if tells(data, first, last, known) else TAKEN
        if done < 0:
            room.counts[0] = before
        if done == NO_ROOM and before > 0:
            return at
        if done == TAKEN:
            events[at, 0] = DONE
        at += 1
    return count
