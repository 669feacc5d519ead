"""Benchmark: ``python -m bench.serving run`` (make bench) and ``check`` (make bench-check)."""

import logging
import sys
from argparse import ArgumentParser
from pathlib import Path

from bench.serving import ratios, rounds, subject, tables, verdict
from bench.serving.peers import BY_NAME, PEERS
from loadtest import report
from readmission.data.sources import CSV_NAME
from readmission.errors import UserError
from readmission.settings import Settings, load

log = logging.getLogger(__name__)


def main() -> int:
    """Run what the command line says; 1: a promise or the check fails."""
    parser = ArgumentParser(prog="python -m bench.serving")
    parser.add_argument("what", choices=["run", "check"], help="everything; or a short run against stored ratios")
    parser.add_argument("--source", default="", help="data set to train on; default: the setting, the cache, a sample")
    parser.add_argument("--port", type=int, default=18200, help="first of six free ports [18200]")
    parser.add_argument("--report", type=Path, help="folder of the report; default: below the state folder")
    parser.add_argument("--store", action="store_true", help="check: store the ratios measured now")
    parser.add_argument("--peers", default="", help=f"only these, with commas between: {', '.join(BY_NAME)}")
    parser.add_argument("--workers", default="1", help="numbers of workers; above 1: ours and the echo, beside 1 [1]")
    parser.add_argument("--rounds", type=int, default=0, help="rounds [3]")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    settings = load()
    folder: Path = options.report or settings.home / "reports" / "bench"
    home = settings.home / "bench"
    if options.what == "check":
        return _check(settings, home, options.port, options.rounds, store=options.store)
    source = options.source or _source(settings)
    model = subject.prepare(settings, source, home)
    workers = tuple(sorted({1, *map(int, options.workers.split(","))}))
    names = options.peers.split(",") if options.peers else list(BY_NAME) if workers == (1,) else []
    peers = [peer for peer in PEERS if peer.name in {*names, "ours", "echo"}]
    plan = rounds.FULL.of(options.rounds, workers)
    session = rounds.measure(peers, plan, home, subject.requests(source, settings.seed), options.port)
    promises = verdict.promises(session, report.machine()["cores"])
    sys.stdout.write(tables.write(folder, session, model, promises))
    log.info("the report is in %s", folder)
    return 1 if any(promise.holds is False for promise in promises) else 0


def _check(settings: Settings, home: Path, port: int, number: int, *, store: bool) -> int:
    # Always the synthetic sample: the same model on every machine.
    subject.prepare(settings, "", home, alternatives=False)
    peers = [BY_NAME[name] for name in ("ours", "noop", "echo")]
    session = rounds.measure(peers, rounds.SHORT.of(number), home, subject.requests("", settings.seed), port)
    measured = ratios.of(session.figures)
    if store:
        ratios.store(measured)
        return 0
    breaches = ratios.compare(measured)
    for breach in breaches:
        log.error("%s", breach)
    if not breaches:
        log.info("PASS: as fast as stored: %s", ", ".join(f"{name} {r.median:.3f}" for name, r in measured.items()))
    return 1 if breaches else 0


def _source(settings: Settings) -> str:
    cached = settings.home / "cache" / CSV_NAME
    return settings.source or (str(cached) if cached.is_file() else "")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RuntimeError) as error:
        sys.exit(str(error))
