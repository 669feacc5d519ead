"""JupyterLab as a part of the system: who gets in, what its pod reaches, and that the notebooks run there."""

import httpx
from cluster import ProofError, forward, helmfile, kubectl, secret
from install import VALUES
from proofs import connects

_NAMESPACE, _POD = "readmission", "deploy/readmission-notebook"
#: Executes each notebook as the page does, with the variables of its kernels.
_EXECUTE = """
import nbformat
from nbclient import NotebookClient
from readmission.embedded import notebook
from readmission.settings import load_settings

settings = load_settings()
folder = notebook.prepare(settings)
for path in sorted((folder / "work").glob("*.ipynb")):
    content = nbformat.read(path, 4)
    NotebookClient(content, timeout=300, kernel_name="python3").execute(env=notebook.environment(settings, folder))
    print(path.stem)
"""


def opened() -> str:
    """Install JupyterLab: it opens with its token alone, reaches the API and nothing else, and runs every notebook."""
    values = VALUES.with_name("notebook.yaml")
    values.write_text("notebook: {install: true}\n")
    helmfile("-l", "name=foundation", "-l", "name=readmission", "sync", values=(VALUES, values))
    kubectl("-n", _NAMESPACE, "rollout", "status", _POD, "--timeout=300s")
    with forward("svc/readmission-notebook", _NAMESPACE, 18093) as url:
        token = secret(_NAMESPACE, "readmission-notebook", "token")
        answers = [httpx.get(f"{url}/api/contents", headers=h, timeout=30) for h in ({}, _header(token))]
    if [answer.status_code for answer in answers] != [403, 200]:
        raise ProofError(f"without and with the token: {answers}")
    listed = sorted(item["name"].removesuffix(".ipynb") for item in answers[1].json()["content"])
    ways = {name: connects(_POD, _NAMESPACE, *address).split()[0] for name, address in _WAYS.items()}
    if ways != {"the API": "open", "MLflow": "refused", "the cluster": "refused"}:
        raise ProofError(f"from its pod: {ways}")
    executed = kubectl("-n", _NAMESPACE, "exec", _POD, "--", "python", "-c", _EXECUTE).split()
    if executed != listed or not listed:
        raise ProofError(f"listed {listed}, executed {executed}")
    return (
        f"403 without its token; {', '.join(f'{name} {way}' for name, way in ways.items())}; ran {', '.join(executed)}"
    )


#: What its pod may reach, and what not.
_WAYS = {
    "the API": ("readmission-inference", 8080),
    "MLflow": ("readmission-mlflow", 5000),
    "the cluster": ("kubernetes.default", 443),
}


def _header(token: str) -> dict[str, str]:
    return {"authorization": f"token {token}"}
