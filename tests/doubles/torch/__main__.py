"""A double of TORCH and of its file server, to try things by hand.

    python -m tests.doubles.torch --data FOLDER
    python -m tests.doubles.torch --data FOLDER --polls 3 --user torch --password-env TORCH_PASSWORD

FOLDER is TORCH-shaped, such as `make cohort SHAPE=torch OUT=FOLDER` makes one. Whatever CRTDL it is sent, if TORCH would take it, it
delivers the whole folder, or the patients of a list. It ends on Ctrl-C.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]

from doubles.torch.double import Scenario, TorchDouble


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Serves until Ctrl-C or SIGTERM. The exit code: 0, or 2 if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.doubles.torch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="TORCH-shaped folder with the results of every job"
    )
    parser.add_argument("--port", type=int, default=8086, help="of the API, 0 for a free one (default: 8086)")
    parser.add_argument("--files-port", type=int, default=8087, help="of the file server (default: 8087)")
    parser.add_argument("--profile", choices=("v1", "legacy-alpha13"), default="v1", help="which TORCH")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    parser.add_argument(
        "--polls", type=int, default=1, help="status requests that each state lasts (default: 1)"
    )
    parser.add_argument("--user", help="ask for basic authentication, on both")
    parser.add_argument(
        "--password-env",
        default="TORCH_PASSWORD",
        help="variable with the password (default: TORCH_PASSWORD)",
    )
    parser.add_argument(
        "--advertise",
        choices=("wrong", "right", "relative"),
        default="wrong",
        help="what TORCH says of its addresses",
    )
    parser.add_argument("--batch-size", type=int, help="patients a file (default: as in the folder)")
    parser.add_argument(
        "--state", type=Path, help="folder for jobs, kept and gone on with (default: a temporary one)"
    )
    chosen = parser.parse_args(arguments)
    if chosen.user and not environ.get(chosen.password_env):
        parser.error(f"--user: set the variable {chosen.password_env} to the password")
    polls = chosen.polls
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    try:
        with TorchDouble(
            chosen.data,
            profile=chosen.profile,
            seed=chosen.seed,
            states=Scenario(pending=polls, cohort=polls, batches=polls, core=polls),
            advertise=chosen.advertise,
            basic=(chosen.user, environ[chosen.password_env]) if chosen.user else None,
            batch_size=chosen.batch_size,
            api_port=chosen.port,
            files_port=chosen.files_port,
            state_dir=chosen.state,
        ) as torch:
            auth = (
                f', auth: {{username: "{chosen.user}", password: "${{{chosen.password_env}}}"}}'
                if chosen.user
                else ""
            )
            print(
                f"A double of TORCH serves at {torch.base_url}, its files at {torch.file_server_url} (Ctrl-C ends it)."
            )
            print("Use it with these settings:")
            print(
                f'    services: {{torch: {{base_url: "{torch.base_url}", file_server_url: "{torch.file_server_url}"{auth}}}}}',
                flush=True,
            )
            over.wait()
    except OSError as error:
        what = f"--port {chosen.port}, --files-port {chosen.files_port}: {error.strerror}; choose other ones, or 0"
        print(str(error) if isinstance(error, FileNotFoundError) else what, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
