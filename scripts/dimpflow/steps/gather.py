"""gather: which originals a shard has in which domains, found by de-identifying it for the sake of that alone."""

from pathlib import Path

import orjson

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError
from dimpflow.ndjson import read_errors
from dimpflow.pseudonyms.keyed import keyed_pseudonyms
from dimpflow.pseudonyms.pairs import Recorder, write_pairs
from dimpflow.ruleset.rules import RuleSet
from dimpflow.steps.whole_lines import whole_lines


class Gatherer:
    """Gathers shards, one after the other.

    The whole rule set is applied, for what a rule sees depends on those before it; what comes out goes nowhere.
    """

    def __init__(self, rule_set: RuleSet) -> None:
        self._recorder = Recorder(keyed_pseudonyms(rule_set.parameters.hash_key))
        # texts are not scrubbed here: what comes out goes nowhere
        self._engine = Engine(
            rule_set, pseudonyms=self._recorder, security_labels=False, terms=lambda patient: None
        )

    def gather(self, shard: Path, index: Path, out: Path) -> None:
        """Writes the pairs of a shard, and of those before it: the engine does not ask again for what it knows. Lines that the rules
        refuse are left for `dimp` to tell."""
        with read_errors(index):
            chunks = orjson.loads(index.read_bytes())["chunks"]
        for lines in whole_lines(shard, chunks):
            for line in lines:
                try:
                    self._engine.deidentify(line)
                except LineError:
                    continue
        write_pairs(out, self._recorder.pairs)
