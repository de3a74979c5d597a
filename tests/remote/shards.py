"""An imported file, split and de-identified by the double of the service, or by the embedded engine."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from dimpflow.clients.access import Access, open_session
from dimpflow.clients.dimp_service import DimpService, Wrapping
from dimpflow.clients.retry import Retry
from dimpflow.engine.engine import Engine
from dimpflow.engine.packing import entry_ids_stay
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.steps.batches import Packing
from dimpflow.steps.dimp import deidentify_shard
from dimpflow.steps.dimp_remote import Remote, deidentify_shard_remotely
from dimpflow.steps.split import split_shard

RULESETS = Path(__file__).parents[1] / "rulesets"
TODAY = date(2026, 8, 7)
QUICK = Retry(max_attempts=5, initial_backoff_ms=1, max_backoff_ms=5)


class Shards:
    """Files of one source in a folder."""

    def __init__(
        self, folder: Path, lines: Sequence[bytes], rules: Path, *, shards: int = 1, limit: int = 1 << 30
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.rules = rules
        self.shards = shards
        self.imported = folder / "import.ndjson"
        self.imported.write_bytes(b"".join(line + b"\n" for line in lines))
        manifest = folder / "import.json"
        longest = max(map(len, lines))
        manifest.write_bytes(orjson.dumps({"bytes": self.imported.stat().st_size, "longest_line": longest}))
        for k in range(1, shards + 1):
            split_shard(self.imported, manifest, k, shards, limit, *self.split(k), remote=False)

    @classmethod
    def there(cls, folder: Path, rules: Path) -> "Shards":
        """The one shard that another process has made."""
        found = cls.__new__(cls)
        found.folder, found.rules, found.shards = folder, rules, 1
        found.imported = folder / "import.ndjson"
        return found

    def split(self, k: int) -> tuple[Path, Path]:
        return self.folder / f"{k}.split.ndjson", self.folder / f"{k}.split.json"

    def out(self, k: int) -> Path:
        return self.folder / "dimp" / f"{k}.ndjson"

    def rejected(self, k: int) -> Path:
        return self.folder / "rejected" / f"{k}.ndjson"

    def engine(self) -> Engine:
        return Engine(load_rule_set(self.rules, {}, Options(reference_date=TODAY)))

    def embedded(self, on_invalid: Any = "fail") -> bytes:
        """What the engine makes of all shards."""
        done = b""
        for k in range(1, self.shards + 1):
            out, counts = self.folder / f"{k}.embedded.ndjson", self.folder / f"{k}.embedded.json"
            deidentify_shard(
                self.engine(),
                *self.split(k),
                self.imported,
                out,
                counts,
                on_invalid=on_invalid,
                rejected=self.rejected(k),
            )
            done += out.read_bytes()
        return done

    def remote(
        self,
        url: str,
        *,
        pack: int = 1,
        pack_bytes: int = 1 << 20,
        connections: int = 4,
        along: bool = False,
        settings: Mapping[str, str] | None = None,
        retry: Retry = QUICK,
        compress: bool = False,
        allow_empty: bool = False,
        on_invalid: Any = "fail",
        access: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        identity: str = "",
    ) -> bytes:
        """What the service makes of all shards. along: the rule set goes with each request."""
        reach = Access(url=url, section="services.dimp", **{"read_timeout": 10.0, **(access or {})})
        ordered = entry_ids_stay(load_rule_set(self.rules, {}, Options(reference_date=TODAY)))
        done = b""
        for k in range(1, self.shards + 1):
            with open_session(reach, environ or {}, connections=connections) as session:
                service = DimpService(
                    session,
                    url,
                    retry,
                    wrapping=Wrapping(self.rules.read_bytes() if along else None, settings or {}),
                    compress=compress,
                )
                remote = Remote(
                    service,
                    Packing(pack, pack_bytes, ordered),
                    connections,
                    allow_empty,
                    identity or f"{pack}",
                )
                deidentify_shard_remotely(
                    remote,
                    *self.split(k),
                    self.imported,
                    self.out(k),
                    self.folder / "dimp" / f"{k}.json",
                    on_invalid=on_invalid,
                    rejected=self.rejected(k),
                )
            done += self.out(k).read_bytes()
        return done

    def counts(self, k: int = 1) -> Any:
        return orjson.loads((self.folder / "dimp" / f"{k}.json").read_bytes())

    def journal(self, k: int = 1) -> Path:
        return self.out(k).with_name(f".{k}.journal")


def parsed(data: bytes) -> list[Any]:
    return [orjson.loads(line) for line in data.splitlines()]


def patient(number: int) -> bytes:
    return b'{"resourceType":"Patient","id":"p%d","name":[{"family":"Name%d"}],"active":true}' % (
        number,
        number,
    )


def bundle(number: int, entries: int) -> bytes:
    inner = b",".join(
        b'{"resource":%s,"request":{"method":"PUT","url":"Patient/p%d"}}' % (patient(i), i)
        for i in range(entries)
    )
    return b'{"resourceType":"Bundle","id":"b%d","type":"batch","entry":[%s]}' % (number, inner)
