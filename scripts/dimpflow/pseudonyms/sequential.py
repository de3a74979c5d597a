"""Sequential pseudonyms: 00001, 00002, …; who has a number keeps it, and the order of numbers tells nothing."""

from collections.abc import Collection, Iterable, Mapping

from dimpflow.errors import InputError
from dimpflow.keys import KeyedHash, derive


def numbers(
    domain: str, originals: Collection[str], known: Mapping[str, str], key: str, digits: int
) -> dict[str, str]:
    """A number for each of `originals`: the known one, or the next that is free, in the order of a keyed hash, so that neither the
    order of the input nor that of the originals shows. digits: at least so many, with zeros in front.

    known: numbers given before, of originals that may be gone. InputError: one of them is no number.
    """
    digest = KeyedHash(derive(key.encode(), "sequence")).digest
    last = max(_values(known.values()), default=0)
    new = sorted(
        (digest(f"{len(domain)}:{domain}{one}".encode()), one) for one in originals if one not in known
    )
    given = {original: f"{last + count:0{digits}}" for count, (_, original) in enumerate(new, 1)}
    return {original: known.get(original) or given[original] for original in originals}


def _values(texts: Iterable[str]) -> Iterable[int]:
    for text in texts:
        if not (text.isascii() and text.isdigit()):
            raise InputError(
                "services.pseudonyms: the mapping holds pseudonyms of another kind for a sequential domain; give the job another name, or "
                "the domain its former source"
            )
        yield int(text)
