"""download: one result file of TORCH, or one file of the web. Credentials, and addresses that are secret, are in the environment."""

import os
from pathlib import Path

from dimpflow.audit.balance import read_facts
from dimpflow.clients.access import open_session
from dimpflow.inputs import WebFile
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.steps.fetch import fetch_from_web, fetch_result
from dimpflow.torch_server import TorchServer, WebServer
from dimpflow.variables import expand


def main(
    file: str,
    folder: JobFolder,
    *,
    torch: TorchServer | None,
    web: WebServer | None,
    web_file: WebFile | None,
) -> None:
    """Fetch `file` into download/."""
    if torch:
        job = read_facts(folder.result_file(file))["job"]
        with open_session(torch.file_access, os.environ, connections=1) as session:
            fetch_result(session, file, job, torch, folder)
    elif web and web_file:
        with open_session(web.access, os.environ, connections=1) as session:
            fetch_from_web(session, file, expand(web_file.url, os.environ, "input"), web, folder)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(
            snakemake.wildcards.file,
            JobFolder(Path(snakemake.output[0]).parents[1]),
            torch=TorchServer.from_params(places.torch) if places.torch else None,
            web=WebServer.from_params(places.web) if places.web else None,
            web_file=places.web_file,
        )
