"""Faults of the pipeline's steps: killed in the middle, started twice, without their object store."""

from collections.abc import Callable
from functools import partial

from faults.clients import asking
from faults.observation import Fault, Observation
from faults.site import Site
from faults.verbs import kill_after, run, run_twice
from readmission.data.synthetic import generate
from readmission.errors import UserError
from readmission.stores import postgres

#: Seconds after a step's first message at which it is killed, one run each.
_MOMENTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
#: The same for steps that fit, compile or ask models, which take longer.
_LATER_MOMENTS = (0.0, 1.0, 3.0)
#: Tables of the data and their columns that say when or from where a row was written.
_TABLES = {
    "raw.batches": ["started", "finished", "source"],
    "raw.encounters": ["ingested_at"],
    "raw.quarantine": ["quarantined_at"],
    "clean.batches": ["finished"],
    "clean.encounters": ["known_at"],  # when its batch was ingested
}
_CONTENT = "SELECT count(*), md5(coalesce(string_agg(row, '' ORDER BY row), '')) FROM ({rows}) AS rows"
_ROWS = "SELECT md5((to_jsonb(t) - %(times)s::text[])::text) AS row FROM {table} t"

Content = dict[str, tuple[int, str]]


class Installation:
    """Pipeline with a database and a state folder of its own, on the PostgreSQL of a site.

    Args:
        site: Where PostgreSQL runs.
        name: Name of the database and folder.
    """

    def __init__(self, site: Site, name: str) -> None:
        self.home = site.folder / name
        self.home.mkdir()
        (self.home / "secrets.env").write_text((site.system.home / "secrets.env").read_text())
        source = self.home / "source.csv"
        source.write_bytes(generate(4000, seed=11))
        self.environment = site.system.environment | {
            "READMISSION_HOME": str(self.home),
            "READMISSION_POSTGRES_DATABASE": name,
            "READMISSION_BATCH_SIZE": "400",
            "READMISSION_SOURCE": str(source),
        }
        self._settings = site.settings.replace(postgres_database=name)
        run(self.environment, "migrate")

    def content(self) -> Content:
        """Return number and hash of the rows of every table, and the names of the snapshots, which are hashes."""
        content: Content = {}
        with postgres.transaction(self._settings, "monitor") as cursor:
            for table, times in _TABLES.items():
                cursor.execute(_CONTENT.format(rows=_ROWS.format(table=table)), {"times": times})
                rows, digest = cursor.fetchone()
                content[table] = (int(rows), str(digest))
        names = sorted(path.name for path in (self.home / "objects").rglob("*.parquet"))
        content["snapshots"] = (len(names), " ".join(names))
        return content


def compare(undisturbed: Content, disturbed: Content, saw: str) -> Observation:
    """Compare what two runs on the same data have left."""
    differences = [
        f"{name} has {disturbed[name][0]} rows, or others, where an undisturbed run has {rows}"
        for name, (rows, _) in undisturbed.items()
        if disturbed[name] != undisturbed[name]
    ]
    total = sum(rows for name, (rows, _) in undisturbed.items() if name != "snapshots")
    return Observation(lost=f"{len(differences)} of {total:,} rows", saw=saw, problems=tuple(differences))


def data_step_killed(verbs: tuple[tuple[str, ...], ...], site: Site) -> Observation:
    """Kill the last of some verbs again and again, let it end, and compare with an undisturbed run."""
    name = verbs[-1][0]
    whole, torn = Installation(site, f"{name}_whole"), Installation(site, f"{name}_torn")
    for verb in verbs:
        run(whole.environment, *verb)
    for verb in verbs[:-1]:
        run(torn.environment, *verb)
    kills = sum(kill_after(torn.environment, moment, *verbs[-1]) for moment in _MOMENTS)
    run(torn.environment, *verbs[-1])
    if not kills:
        raise UserError(f"`{name}` was never killed at work")
    return compare(whole.content(), torn.content(), f"killed {kills} times; run again, every row as undisturbed")


def data_steps_twice(site: Site) -> Observation:
    """Run ingest and process twice at once each, and compare with one of each."""
    single, double = Installation(site, "steps_single"), Installation(site, "steps_double")
    messages = []
    for verb in (("ingest", "--all"), ("process",)):
        run(single.environment, *verb)
        messages += run_twice(double.environment, *verb)
        run(double.environment, *verb)
    return compare(single.content(), double.content(), "; ".join(sorted({line[:90] for line in messages})))


def object_store_away(site: Site) -> Observation:
    """Run process without its object store, then with it, and compare with an undisturbed run."""
    whole, torn = Installation(site, "objects_whole"), Installation(site, "objects_torn")
    for installation in (whole, torn):
        run(installation.environment, "ingest", "--all")
    run(whole.environment, "process")
    away = {
        "READMISSION_OBJECT_STORE": "s3://objects",
        "READMISSION_S3_ENDPOINT": f"http://127.0.0.1:{_refusing_port(site)}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    sentence = run(torn.environment | away, "process", fails=True)
    run(torn.environment, "process")
    return compare(whole.content(), torn.content(), f"“{sentence[:160]}”; run again, every row as undisturbed")


def _refusing_port(site: Site) -> int:
    site.postgres.refuse()
    return site.postgres.port


def model_step_killed(verb: tuple[str, ...], site: Site) -> Observation:
    """Kill a step that changes the registry, under requests, then run it again; a whole champion serves throughout."""
    environment = site.system.environment
    with asking(site.api.port, 20) as clients:
        kills = sum(kill_after(environment, moment, *verb) for moment in _LATER_MOMENTS)
        run(environment, *verb)
        champion = site.alias()
        site.api.wait_for_version(champion)
        site.learn(site.api)
    judged = site.judge(clients)
    recorded = site.recorded_champion()
    problems = [] if recorded == champion else [f"the ledger names version {recorded}, the alias {champion}"]
    problems += [] if kills else [f"`{verb[0]}` was never killed at work"]
    return judged.adding(problems, saw=f"killed {kills} times, then as always: champion {champion}; {judged.saw}")


def model_steps_twice(site: Site) -> Observation:
    """Run train and promote twice at once each, under requests."""
    environment = site.system.environment
    with asking(site.api.port, 20) as clients:
        messages = run_twice(environment, "train", "--models", "decision_tree", "--again")
        messages += run_twice(environment, "promote")
        site.api.wait_for_version(site.alias())
        site.learn(site.api)
    judged = site.judge(clients)
    recorded = site.recorded_champion()
    problems = [] if recorded == site.alias() else [f"the ledger names version {recorded}, the alias {site.alias()}"]
    return judged.adding(problems, saw=f"{judged.saw}; " + "; ".join(sorted({line[:90] for line in messages})))


_KILLED: tuple[tuple[str, Callable[[Site], Observation]], ...] = (
    ("ingest", partial(data_step_killed, (("ingest", "--all"),))),
    ("process", partial(data_step_killed, (("ingest", "--all"), ("process",)))),
    ("train", partial(model_step_killed, ("train", "--models", "decision_tree,logistic_regression", "--again"))),
    ("promote", partial(model_step_killed, ("promote",))),
)
FAULTS = (
    *(Fault(name=f"`{verb}` killed in the middle", inject=inject) for verb, inject in _KILLED),
    Fault(name="`ingest` and `process` started twice at once", inject=data_steps_twice),
    Fault(name="`train` and `promote` started twice at once", inject=model_steps_twice),
    Fault(name="object store away during `process`", inject=object_store_away),
)
