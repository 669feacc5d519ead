"""Measure the API beside its peers: ``make bench`` in full, ``make bench-check`` against stored ratios."""

import logging
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path

from bench.commits import fresh_clone
from bench.serving import ratios, rounds, subject, tables, verdict
from bench.serving.peers import BASELINE, BY_NAME, PEERS
from loadtest import report
from readmission.data.content import CSV_NAME
from readmission.settings import Settings, load_settings

#: Starts of all services when two commits are compared.
_STARTS = 3
log = logging.getLogger(__name__)


def compare(arguments: list[str]) -> int:
    """Compare the API with its peers, single rows and batches; return 1 if a promise is broken."""
    return _compare("api", rounds.FULL, arguments)


def compare_batches(arguments: list[str]) -> int:
    """Compare the API with its peers on batches alone; return 1 if a promise is broken."""
    return _compare("batch", rounds.BATCHES, arguments)


def check(arguments: list[str]) -> int:
    """Compare a short run with the stored ratios; return 1 if the API became slower."""
    parser = _parser("check", "Fail if the API is slower than the stored ratios allow.")
    parser.add_argument("--store", action="store_true", help="store the ratios measured now")
    options = parser.parse_args(arguments)
    settings = load_settings()
    home = settings.home / "bench"
    # Always the synthetic sample: the same model on every machine.
    subject.prepare(settings, "", home, alternatives=False)
    peers = [BY_NAME[name] for name in ("ours", "noop", "echo")]
    plan = rounds.SHORT.of(options.rounds)
    session = rounds.run(peers, plan, home, subject.requests("", settings.seed), options.port)
    measured = ratios.of(session.figures)
    if options.store:
        ratios.store(measured)
        return 0
    breaches = ratios.compare(measured)
    for breach in breaches:
        log.error("%s", breach)
    if not breaches:
        log.info("PASS: as fast as stored: %s", ", ".join(f"{name} {r.median:.3f}" for name, r in measured.items()))
    return 1 if breaches else 0


def _compare(name: str, plan: rounds.Plan, arguments: list[str]) -> int:
    parser = _parser(name, "Measure the API beside what one would otherwise run, and judge its promises.")
    parser.add_argument("--source", default="", help="data set to train on [the setting, the cache, or a sample]")
    parser.add_argument("--report", type=Path, help="folder of the report [below the state folder]")
    parser.add_argument("--peers", default="", help=f"only these, separated by commas: {', '.join(BY_NAME)}")
    parser.add_argument("--workers", default="1", help="numbers of workers; above 1: ours and the echo, beside 1 [1]")
    parser.add_argument("--baseline", default="", help="a commit whose API runs beside this one's, on the same model")
    options = parser.parse_args(arguments)
    settings = load_settings()
    folder: Path = options.report or settings.home / "reports" / "bench"
    home = settings.home / "bench"
    source = options.source or _source(settings)
    family = subject.FAMILY_OF_BOTH if options.baseline else subject.FAMILY
    model = subject.prepare(settings, source, home, family=family)
    workers = tuple(sorted({1, *map(int, options.workers.split(","))}))
    names = options.peers.split(",") if options.peers else list(BY_NAME) if workers == (1,) else []
    names = [name for name in names if name != "baseline"]
    requests = subject.requests(source, settings.seed)
    with ExitStack() as stack:
        if options.baseline:
            stack.enter_context(fresh_clone(home / BASELINE, options.baseline))
            names.append("baseline")
        peers = [peer for peer in PEERS if peer.name in {*names, "ours", "echo"}]
        starts = _STARTS if options.baseline else 1
        session = rounds.run(peers, plan.of(options.rounds, workers, starts), home, requests, options.port)
    promises = verdict.promises(session, report.machine()["cores"])
    sys.stdout.write(tables.write(folder, session, model, promises))
    log.info("the report is in %s", folder)
    return 1 if any(promise.holds is False for promise in promises) else 0


def _parser(name: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(prog=f"python -m bench {name}", description=description)
    parser.add_argument("--port", type=int, default=18200, help="first of six free ports [18200]")
    parser.add_argument("--rounds", type=int, default=0, help="rounds [3]")
    return parser


def _source(settings: Settings) -> str:
    cached = settings.home / "cache" / CSV_NAME
    return settings.source or (str(cached) if cached.is_file() else "")
