"""Locust users of the prediction API: `locust -f loadtest/locustfile.py --profile course --host URL`.

Works with the web UI, headless, and distributed; the process that reports (master or standalone) judges the
profile's limits, logs each breach, and exits with 3.
"""

import logging
import random
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, LoadTestShape, between, events
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_STOPPED, WorkerRunner

from loadtest import limits, payloads, profiles, report
from loadtest.limits import Moment
from loadtest.processes import Watch, listener

log = logging.getLogger(__name__)

#: Different encounters a process sends; enough that no cache answers.
DIFFERENT = 2000
BATCH = 100


class Encounters(FastHttpUser):
    """User who requests predictions in the proportions of the profile."""

    connection_timeout = 10.0
    network_timeout = 10.0
    headers: dict[str, str] = {"Content-Type": "application/json"}  # noqa: RUF012 - set once, before the first user
    bodies: list[str] = []  # noqa: RUF012
    batches: list[str] = []  # noqa: RUF012
    broken: list[str] = []  # noqa: RUF012

    def marked(self) -> dict[str, str]:
        """Return the headers with an id whose prefix keeps the request out of monitoring."""
        return {**self.headers, "X-Request-ID": f"load-{random.getrandbits(48):012x}"}

    def predict(self) -> None:
        """Request the prediction of one encounter."""
        self.client.post("/predict", data=random.choice(self.bodies), headers=self.marked())  # noqa: S311

    def batch(self) -> None:
        """Request the predictions of a hundred encounters at once."""
        self.client.post("/predict_batch", data=random.choice(self.batches), headers=self.marked())  # noqa: S311

    def invalid(self) -> None:
        """Send what must be refused with 400; any other answer is a failure."""
        body = random.choice(self.broken)  # noqa: S311
        with self.client.post(
            "/predict", data=body, headers=self.headers, name="/predict (bad)", catch_response=True
        ) as answer:
            if answer.status_code == 400:
                answer.success()
            else:
                answer.failure(f"expected 400, got {answer.status_code}")

    def info(self) -> None:
        """Request the description of the model."""
        self.client.get("/model-info")


class Stages(LoadTestShape):
    """Load shape that follows the stages of the profile."""

    profile: profiles.Profile
    observer: "Observer | None" = None

    def tick(self) -> tuple[int, float] | None:
        """Return users and spawn rate of this second, None at the end."""
        stage = self.profile.at(self.get_run_time())  # type: ignore[no-untyped-call]
        if stage is None or (self.observer is not None and self.observer.broke and self.profile.stop_at_break):
            return None
        return stage.users, stage.spawn_rate


class Observer:
    """Record of a run, second by second, and its verdict at the end; on the reporting process."""

    def __init__(self, environment: Environment, name: str, profile: profiles.Profile, folder: str) -> None:
        self.environment, self.name, self.profile = environment, name, profile
        self.folder = Path(folder) if folder else None
        self.moments: list[Moment] = []
        self.broke = False

    def follow(self) -> None:
        """Record a moment each second, from the start of a run to its end."""
        environment = self.environment
        watch = Watch(listener(environment.host or ""))
        start = time.monotonic()
        while environment.runner is not None and environment.runner.state not in (STATE_INIT, STATE_STOPPED):
            self.moments.append(self._moment(time.monotonic() - start, watch))
            # In the first seconds, all users connect at once.
            if self.moments[-1].second > 5 and limits.broken(self.profile.limits, self.moments[-1]):
                self.broke = True
            gevent.sleep(1)

    def start(self, **_: Any) -> None:
        """Start over with each run."""
        self.moments.clear()
        self.broke = False
        gevent.spawn(self.follow)

    def judge(self, **_: Any) -> None:
        """Write the report, log every breach, and set the exit code."""
        summary = self._summary()
        breaches = limits.breaches(self.profile.limits, summary, self.moments)
        if self.folder is not None:
            report.write(self.folder, self.name, self.profile, summary, self.moments, breaches)
        log.info("%s", report.sentence(self.name, summary))
        for breach in breaches:
            log.error("Profile %s: %s.", self.name, breach)
        if breaches:
            self.environment.process_exit_code = limits.EXIT_CODE
        else:
            self.environment.process_exit_code = 0
            log.info("Profile %s: every limit holds.", self.name)

    def _moment(self, second: float, watch: Watch) -> Moment:
        total, runner = self.environment.stats.total, self.environment.runner
        measured = watch.measure()
        p50, p95, p99 = (total.get_current_response_time_percentile(p) or 0.0 for p in (0.5, 0.95, 0.99))
        return Moment(
            second=round(second, 1),
            users=runner.user_count if runner else 0,
            requests_per_second=total.current_rps,
            failures_per_second=total.current_fail_per_sec,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            api_cpu=measured[0] if measured else None,
            api_memory_mb=measured[1] if measured else None,
        )

    def _summary(self) -> limits.Summary:
        total = self.environment.stats.total
        p50, p95, p99 = (float(total.get_response_time_percentile(p)) for p in (0.5, 0.95, 0.99))
        return limits.Summary(
            requests=total.num_requests,
            failures=total.num_failures,
            requests_per_second=total.total_rps,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            worst_ms=total.max_response_time,
            users=limits.carried(self.profile.limits, self.moments),
        )


def add_options(parser: Any) -> None:
    """Add what a run needs to know to Locust's command line; `--profile` is Locust's own."""
    parser.add_argument(
        "--rows",
        default="",
        help="Data set (csv or zip) to draw requests from. If empty, they are drawn from the contract",
    )
    parser.add_argument("--report", default="", help="Folder for the JSON, CSV and picture of the run")
    parser.add_argument(
        "--api-key", default="", is_secret=True, env_var="LOCUST_API_KEY", help="Key of the API, if it asks for one"
    )


def prepare(environment: Environment, **_: Any) -> None:
    """Set users, shape and observer from the command line."""
    options: Namespace = environment.parsed_options or Namespace(profile="smoke", rows="", report="", api_key="")
    name = options.profile or "smoke"
    profile = profiles.read_profile(name)
    records = payloads.encounters(DIFFERENT, random.randrange(2**31), Path(options.rows) if options.rows else None)  # noqa: S311
    Encounters.bodies = [payloads.single(record).decode() for record in records]
    Encounters.batches = [payloads.batch(records[i : i + BATCH]).decode() for i in range(0, DIFFERENT, BATCH)]
    Encounters.broken = [payloads.invalid(record, number).decode() for number, record in enumerate(records[:200])]
    if options.api_key:
        Encounters.headers = {**Encounters.headers, "X-API-Key": options.api_key}
    Encounters.wait_time = between(*profile.wait_seconds)
    weights = {getattr(Encounters, name): getattr(profile.mix, name) for name in profile.mix.__struct_fields__}
    Encounters.tasks = [task for task, weight in weights.items() for _ in range(weight)]
    Stages.profile = profile
    if not isinstance(environment.runner, WorkerRunner):
        observer = Stages.observer = Observer(environment, name, profile, options.report)
        environment.events.test_start.add_listener(observer.start)
        environment.events.quitting.add_listener(observer.judge)


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(prepare)
