# jobs/<job>/status.json is kept by a process beside Snakemake (scripts/watch_status.py), so that it is right even if
# Snakemake is killed: the keeper holds the reading end of a pipe, and no word at its end means a violent death. Python
# closes the writing end in every other child process, so jobs that outlive Snakemake do not keep it open.
import atexit
import json
import subprocess
from contextlib import suppress

import snakemake

from dimpflow import __version__
from dimpflow.clients.access import open_session
from dimpflow.clients.dimp_service import check_service
from dimpflow.audit.status import new_facts, read_status
from dimpflow.jobs.listing import read_job
from dimpflow.steps.ask_service import check_domains

KEEPER_WAIT = 15  # seconds
keeper = None


def runs_the_job():
    """To give originals back is no run of the job: it leaves its status, and asks no service for its rules."""
    return set(workflow.dag_settings.targets) != {"reidentify"}


def start_keeper():
    """Make the job's folder and start the keeper. A run without anything to do and a dry-run do not come here."""
    global keeper
    known = read_job(SETTINGS.job_dir)
    if known and known.state == "deleting":
        stop(
            f"job: the deletion of {SETTINGS.job} was interrupted; finish it (python scripts/jobs.py delete {SETTINGS.job}), or give another name"
        )
    if known and known.state == "deleted":
        tell(f"{SETTINGS.job} was deleted before; deleted.json keeps what is known of that run")
    try:
        SETTINGS.job_dir.mkdir(parents=True, exist_ok=True)
        for zone in (
            *(["torch"] if SETTINGS.torch else []),
            *(["download"] if FETCHED else []),
            "inventory",
            "import",
            "split",
            *(["gather"] if MAPS else []),
            *(["mappings"] if MAPS or SCRUBS else []),
        ):
            folder = SETTINGS.job_dir / zone
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        stop(f"jobs_dir: {error.filename} cannot be made: {error.strerror}; give another one")
    facts = new_facts(
        SETTINGS.job,
        SETTINGS.job_dir,
        SHARDS,
        fetched=(
            {
                "extract": SETTINGS.torch is not None,
                "files": [] if EXTRACTS else fetched_files(),
                "shard_bytes": SETTINGS.shard_bytes,
            }
            if FETCHED
            else None
        ),
        dimp=SETTINGS.dimp,
        extra=[
            step
            for step, is_one in (
                ("terms", SCRUBS),
                ("gather", GATHERS),
                ("mapping", MAPS),
                ("audit", SETTINGS.dimp and SETTINGS.audit.enabled),
            )
            if is_one
        ],
        rule_set_sha256=RULE_SET["sha256"] or None if RULE_SET else None,
        versions={
            "dimpflow": __version__,
            "snakemake": snakemake.__version__,
            "python": sys.version.split()[0],
        },
    )
    keeper = subprocess.Popen(
        [sys.executable, HOME / "scripts" / "watch_status.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # ctrl-C is for Snakemake
    )
    with suppress(OSError):  # a keeper that died at once is noticed at the end
        keeper.stdin.write(json.dumps(facts).encode() + b"\n")
        keeper.stdin.flush()
    atexit.register(end_keeper, "")  # Snakemake gave up without calling a hook


def end_keeper(verdict):
    """Tell the keeper how it ended, and wait until it has written that."""
    if keeper is None or keeper.stdin.closed:
        return
    try:
        keeper.stdin.write(verdict.encode())
        keeper.stdin.close()
        keeper.wait(KEEPER_WAIT)
    except (OSError, subprocess.TimeoutExpired):
        logger.warning(f"{in_job('status.json')} may be out of date: its keeper does not answer")


def ask_service():
    """Before any data are touched: is there a service, and does it let us in?"""
    try:
        with open_session(SETTINGS.server.access, os.environ, connections=1) as session:
            check_service(
                session,
                SETTINGS.server.access,
                rules=SETTINGS.server.rules is not None,
            )
            if SETTINGS.torch and not SETTINGS.drop_provenance:
                check_service_rules(session, SETTINGS.server, os.environ)
    except DimpflowError as error:
        stop(error)


def ask_pseudonym_service():
    """Before the first shard: does the service know the domains that the rule set names?"""
    try:
        check_domains(SETTINGS.pseudonym_server, os.environ, RULE_SET["domains"])
    except DimpflowError as error:
        stop(error)


onstart:
    if runs_the_job():
        if SETTINGS.dimp and SETTINGS.server:
            ask_service()
        if GATHERS and SETTINGS.pseudonym_server:
            ask_pseudonym_service()
        start_keeper()


onsuccess:
    end_keeper("completed\n")


onerror:
    end_keeper("failed\n")
    # Snakemake says a lot about a failed job. What a person must know comes last, once more.
    for error in (runs_the_job() and read_status(SETTINGS.job_dir) or {}).get("errors", ()):
        logger.error(f"{SETTINGS.job} failed: {error}")
