"""delete_extraction: ask TORCH to delete a job, all of whose files are imported. TORCH removes them at its next sweep."""

import os
from pathlib import Path

from dimpflow.audit.balance import read_facts
from dimpflow.clients.access import open_session
from dimpflow.clients.torch.service import TorchService
from dimpflow.joblog import guard
from dimpflow.ndjson import write_json
from dimpflow.torch_server import TorchServer


def main(server: TorchServer, listing: Path, out: Path) -> None:
    """Ask for the deletion of the job that `listing` names."""
    job = read_facts(listing)["job"]
    with open_session(server.access, os.environ, connections=1) as session:
        TorchService(session, server.access, server.retry).delete(job)
    write_json(out, {"job": job, "deletion_requested": True}, 0o600, dir_mode=0o700)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        main(
            TorchServer.from_params(snakemake.params.places.server),
            Path(snakemake.input.listing),
            Path(snakemake.output[0]),
        )
