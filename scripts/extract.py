"""extract: have TORCH extract what the CRTDL document describes, or wait for the job that is given. The credentials are in the
environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dimpflow.clients.access import open_session
from dimpflow.clients.torch.service import TorchService
from dimpflow.crtdl.prepare import CrtdlRules, prepare
from dimpflow.errors import InputError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.steps.extract import Extraction, Order
from dimpflow.torch_server import TorchServer


def main(order: Order, server: TorchServer, folder: JobFolder) -> None:
    """Leave torch/listing.json and what stands for the files in it."""
    with open_session(server.access, os.environ, connections=1) as session:
        service = TorchService(session, server.access, server.retry)
        Extraction(order, server, service, folder, tell=tell).run()


def order_of(job: str, crtdl: Path | None, rules: CrtdlRules, cfg: Mapping[str, Any]) -> Order:
    """What is to be had. The document is read again, and must be the one that was checked before any job ran."""
    if crtdl is None:
        return Order(job=job)
    found = prepare(crtdl, rules, identifier_needed=False)
    order = Order("", found.crtdl.raw, found.crtdl.document, found.patients, found.consent)
    if found.errors or order.recorded != tuple(cfg["order"]):
        raise InputError(
            f"{crtdl}, its enrichments or its list of patients have changed while the workflow ran; run it again"
        )
    return order


def tell(line: str) -> None:
    """A line for the terminal."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(
            order_of(places.job, places.crtdl, places.rules, snakemake.params.cfg),
            TorchServer.from_params(places.server),
            JobFolder(Path(snakemake.output[0]).parents[1]),
        )
