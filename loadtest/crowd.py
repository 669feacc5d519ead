"""Thousands of users in one light process: a profile by this project's own generator, with reports like Locust's.

Locust spends about half a millisecond of CPU on a request, so with thousands of users on one machine it would measure
itself. Profiles with `generator = "own"` have one stage and only request predictions of single encounters.
"""

import asyncio
import csv
import html
import logging
import random
import resource
from collections import Counter
from pathlib import Path

from loadtest import limits, payloads, report
from loadtest.generator import Run, new_event_loop
from loadtest.limits import Moment, Summary
from loadtest.processes import Watch, listener
from loadtest.profiles import Profile
from loadtest.result import Result, summarise
from readmission.errors import UserError

log = logging.getLogger(__name__)
#: Seconds that the percentiles of a moment cover, as in Locust.
_WINDOW = 10
DIFFERENT = 2000


def run(name: str, profile: Profile, host: str, folder: Path, rows: str) -> int:
    """Run a profile, write its report, log every breach; return the exit code.

    Args:
        name: Name of the profile.
        profile: A profile with one stage of single predictions.
        host: URL of the API.
        folder: Folder of the report.
        rows: Data set to draw requests from. If empty, they are drawn from the contract.

    Raises:
        UserError: The profile needs what this generator cannot do.
    """
    mix = profile.mix
    if len(profile.stages) != 1 or mix.batch or mix.invalid or mix.info or not mix.predict:
        raise UserError(
            f"Profile {name}: this project's generator only runs one stage of single predictions. Use Locust."
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    _allow_files(profile.stages[0].users + 100)
    drawn = payloads.encounters(DIFFERENT, random.randrange(2**31), Path(rows) if rows else None)  # noqa: S311
    bodies = [payloads.single(record) for record in drawn]
    stage = profile.stages[0]
    people = Run(f"{host}/predict", bodies, stage.users, profile.wait_seconds)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        result, moments = runner.run(_watched(people, profile, Watch(listener(host))))
    summary = _summary(result, limits.carried(profile.limits, moments))
    breaches = limits.breaches(profile.limits, summary, moments)
    report.write(folder, name, profile, summary, moments, breaches)
    _write_tables(folder, name, summary, breaches)
    log.info("%s", report.sentence(name, summary))
    for breach in breaches:
        log.error("Profile %s: FAIL: %s.", name, breach)
    if not breaches:
        log.info("Profile %s: PASS: every limit holds.", name)
    return limits.EXIT_CODE if breaches else 0


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise UserError(
                f"{needed:,} connections need as many open files, but this shell allows {hard:,} (ulimit -n)."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def _watched(people: Run, profile: Profile, watch: Watch) -> tuple[Result, list[Moment]]:
    stage, moments = profile.stages[0], [_moment(0, summarise(1.0, [], Counter(), 0), 0, None)]
    ramp = min(stage.users / stage.spawn_rate, stage.seconds / 2)
    following = asyncio.create_task(_follow(people, watch, moments))
    result = await people.measure(stage.seconds - ramp, ramp)
    following.cancel()
    return result, moments


async def _follow(people: Run, watch: Watch, moments: list[Moment]) -> None:
    """Record a moment each second."""
    marks: list[tuple[int, Counter[int], int]] = []
    watch.measure()
    for second in range(1, 100_000):
        await asyncio.sleep(1)
        now = (len(people.latencies), Counter(people.statuses), people.broken)
        # The counts are reset when the last user has arrived.
        marks = [*(m for m in marks[-_WINDOW:] if m[0] <= now[0]), now]
        since = marks[0] if len(marks) > 1 else (0, Counter(), 0)
        seconds = max(1, len(marks) - 1)
        window = summarise(seconds, people.latencies[since[0] :], now[1] - since[1], now[2] - since[2])
        # In a thread: reading every process of a busy machine takes as long as thousands of requests.
        moments.append(_moment(second, window, people.connected, await asyncio.to_thread(watch.measure)))
        if second % 10 == 0:
            users = f"{people.connected:,}"
            log.info("%d s: %s users, %.0f requests/s, p95 %.0f ms", second, users, window.per_second, window.p95_ms)


def _moment(second: int, window: Result, users: int, used: tuple[float, float] | None) -> Moment:
    cpu, memory = used or (None, None)
    return Moment(
        second=second,
        users=users,
        requests_per_second=window.per_second,
        failures_per_second=window.failed / window.seconds,
        p50_ms=window.p50_ms,
        p95_ms=window.p95_ms,
        p99_ms=window.p99_ms,
        api_cpu=cpu,
        api_memory_mb=memory,
    )


def _summary(result: Result, users: int) -> Summary:
    return Summary(
        requests=result.answered + result.failed,
        failures=result.failed,
        requests_per_second=result.per_second,
        p50_ms=result.p50_ms,
        p95_ms=result.p95_ms,
        p99_ms=result.p99_ms,
        worst_ms=result.worst_ms,
        users=users,
    )


def _write_tables(folder: Path, name: str, summary: Summary, breaches: list[str]) -> None:
    """Write locust_stats.csv, with the columns of Locust that are measured, and report.html with the plot."""
    row = {
        "Type": "POST",
        "Name": "/predict",
        "Request Count": summary.requests,
        "Failure Count": summary.failures,
        "Median Response Time": round(summary.p50_ms),
        "Max Response Time": summary.worst_ms,
        "Requests/s": summary.requests_per_second,
        "50%": summary.p50_ms,
        "95%": summary.p95_ms,
        "99%": summary.p99_ms,
        "100%": summary.worst_ms,
    }
    with (folder / "locust_stats.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(row))
        writer.writeheader()
        writer.writerows([row, row | {"Type": "", "Name": "Aggregated"}])
    picture = folder / "moments.svg"
    sentences = [report.sentence(name, summary), *(f"FAIL: {breach}." for breach in breaches)]
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in sentences)
    drawn = picture.read_text().partition("<svg")[2] if picture.is_file() else ""
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(name)}</title><h1>Load test</h1>'
    (folder / "report.html").write_text(page + lines + (f"<svg{drawn}" if drawn else "") + "</html>\n")
