"""The command line and the settings: help that teaches, errors in sentences, no default for a secret."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from readmission import cli
from readmission.cli import VERBS
from readmission.errors import RefusalError, UserError
from readmission.settings import SECRETS, VARIABLES, Settings, fields, load_settings
from readmission.steps.settings import table


def readmission(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"READMISSION_HOME": str(home)} | variables
    return subprocess.run(
        [sys.executable, "-m", "readmission.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    result = CliRunner().invoke(cli.app, [verb, "--help"])
    assert result.exit_code == 0, result.output
    usage = result.stdout.split("Options:")[0].split()
    assert len(usage) > 8, result.stdout
    assert not any(section in result.stdout for section in ("Args:", "Returns:", "Raises:"))


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_repeats_the_docstring(verb: str) -> None:
    module, line = VERBS[verb]
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text())
    run = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run")
    assert line == (ast.get_docstring(run) or "").splitlines()[0]


def test_without_a_verb_the_verbs_are_listed(tmp_path: Path) -> None:
    listed = readmission(tmp_path, "--help").stdout
    assert all(f"  {verb} " in listed for verb in VERBS)


def test_mistyped_verb_is_answered_with_verbs_like_it(tmp_path: Path) -> None:
    result = readmission(tmp_path, "ingst")
    assert result.returncode == 2
    assert "Did you mean ingest?" in result.stderr


@pytest.mark.parametrize(
    ("typed", "expected"), [("readmission simulate-d", "simulate-drift"), ("readmission down --for", "--forget")]
)
def test_shell_completes_verbs_and_options(tmp_path: Path, typed: str, expected: str) -> None:
    variables = {
        "_READMISSION_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    command = [sys.executable, "-m", "readmission.cli"]
    result = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert result.stdout.split() == [expected]


def test_version_is_shown(tmp_path: Path) -> None:
    result = readmission(tmp_path, "--version")
    assert (result.returncode, result.stdout) == (0, f"readmission {version('readmission')}\n")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MLFLOW_DISABLE_TELEMETRY", "true"), ("OMP_WAIT_POLICY", "PASSIVE")],
    ids=["no verb reports to the makers of MLflow", "threads of a step do not spin"],
)
def test_every_verb_sets_for_the_libraries_of_others(variable: str, value: str) -> None:
    program = (
        "import atexit, os, sys, readmission.cli\n"
        f"atexit.register(lambda: print('set:', os.environ.get({variable!r})))\n"
        "sys.argv = ['readmission', '--version']\n"
        "readmission.cli.main()\n"
    )
    environment = {name: content for name, content in os.environ.items() if name != variable}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f"set: {value}\n")


def test_status_before_the_first_start_is_a_sentence(tmp_path: Path) -> None:
    result = readmission(tmp_path / "absent", "status")
    assert result.returncode == 1
    assert "Nothing runs here yet" in result.stdout
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "absent").exists()
    assert readmission(tmp_path / "absent", "status", "--json").returncode == 1


def test_a_step_without_a_system_says_what_to_do(tmp_path: Path) -> None:
    result = readmission(tmp_path, "process")
    assert result.returncode == 1
    assert result.stderr.startswith("readmission: READMISSION_POSTGRES_PASSWORD_PROCESS is not set")
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_names_the_variable(tmp_path: Path) -> None:
    result = readmission(tmp_path, "process", READMISSION_BATCH_SIZE="many")
    assert result.returncode == 1
    assert "READMISSION_BATCH_SIZE" in result.stderr
    assert "integer" in result.stderr


def test_an_unreachable_database_is_a_sentence(tmp_path: Path) -> None:
    result = readmission(tmp_path, "process", READMISSION_POSTGRES_PASSWORD_PROCESS="x", READMISSION_POSTGRES_PORT="1")
    assert result.returncode == 1
    assert "127.0.0.1:1 cannot be used by role readmission_process" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_secret_has_a_default(tmp_path: Path) -> None:
    bare = Settings(_env_file=None, home=tmp_path)
    assert len(SECRETS) > 8
    assert all(bare.value(name) is None for name in SECRETS)
    with pytest.raises(UserError, match="READMISSION_POSTGRES_PASSWORD_TRAIN"):
        bare.database_url("train")


def test_a_password_may_hold_any_character(tmp_path: Path) -> None:
    config = Settings(_env_file=None, home=tmp_path, postgres_password_train=SecretStr("a/b@c:d%"))
    assert "readmission_train:a%2Fb%40c%3Ad%25@" in config.database_url("train")


def test_the_documented_settings_are_those_there_are() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert documented.endswith(table() + "\n"), "run `make generate`"
    assert all(field.description for name, _, _, field in fields() if "password" not in name)


def test_settings_are_grouped_and_keep_their_flat_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.env").write_text("READMISSION_AIRFLOW=true\nREADMISSION_POSTGRES_PORT=1\n")
    monkeypatch.setenv("READMISSION_HOME", str(tmp_path))
    monkeypatch.setenv("READMISSION_POSTGRES_PORT", "77")
    monkeypatch.setenv("readmission_reload_interval", "2.5")
    load_settings.cache_clear()
    config = load_settings()
    assert (config.airflow.enabled, config.postgres.port, config.api.reload_interval) == (True, 77, 2.5)
    assert Settings(_env_file=None, postgres_port=5).postgres.port == 5
    assert config.replace(postgres_host="db", seed=8).value("postgres_host") == "db"
    assert config.postgres.host == "127.0.0.1"


def test_variables_without_the_prefix_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "SOURCE", "IMAGE", "SEED", "API_PORT"):
        monkeypatch.setenv(name, "7")
    config = Settings(_env_file=None)
    assert (config.home, config.source, config.image) == (tmp_path / ".state", "", "")
    assert config.api.port == 18080


def test_every_setting_has_one_flat_name() -> None:
    assert len(VARIABLES) == sum(1 for _ in fields())


def test_copies_for_workers_hold_one_secret(tmp_path: Path) -> None:
    bare = Settings(_env_file=None, home=tmp_path).replace(**{name: SecretStr("x") for name in SECRETS})
    travelling = bare.without_secrets("postgres_password_train")
    assert {name for name in SECRETS if travelling.value(name)} == {"postgres_password_train"}


@pytest.mark.parametrize(("error", "code"), [(RefusalError("no"), 2), (UserError("no answer"), 1)])
def test_a_refusal_exits_with_2_and_what_may_be_repeated_with_1(
    error: UserError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == code


def test_a_result_is_handed_on_as_json_if_it_is_short(tmp_path: Path) -> None:
    orchestrator = cli.Orchestrator(99, tmp_path / "result")
    orchestrator.tell("reload", None)
    orchestrator.tell("train", "x" * 5000)
    assert not (tmp_path / "result").exists()
    orchestrator.tell("judge", {"run_id": "a1"})
    assert json.loads((tmp_path / "result").read_text()) == {"step": "judge", "result": {"run_id": "a1"}}
    cli.Orchestrator().tell("judge", {"run_id": "a1"})
