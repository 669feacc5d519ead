"""Report of a load test: JSON, CSV and a plot. Locust adds its HTML."""

import csv
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from loadtest.limits import Moment, Summary
from loadtest.profiles import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def machine() -> dict[str, Any]:
    """Describe what the figures depend on: CPU, cores, load, Python and system."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def write(
    folder: Path, name: str, profile: Profile, summary: Summary, moments: list[Moment], breaches: list[str]
) -> None:
    """Write summary.json, moments.csv and moments.svg below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "profile": name,
        "description": profile.description,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "limits": msgspec.to_builtins(profile.limits),
        "summary": {**msgspec.to_builtins(summary), "error_ratio": summary.error_ratio},
        "breaches": breaches,
    }
    (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    with (folder / "moments.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(Moment.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(moment) for moment in moments)
    if moments:
        draw(folder / "moments.svg", f"Profile {name}", moments, profile.limits.p95_ms)


def sentence(name: str, summary: Summary) -> str:
    """Summarise a run in one sentence."""
    return (
        f"Profile {name}: {summary.requests:,} requests, {summary.failures:,} failed, "
        f"{summary.requests_per_second:,.0f} a second; p50 {summary.p50_ms:,.0f} ms, p95 {summary.p95_ms:,.0f} ms, "
        f"p99 {summary.p99_ms:,.0f} ms, worst {summary.worst_ms:,.0f} ms."
    )


def draw(path: Path, title: str, moments: list[Moment], limit: float | None) -> None:
    """Draw users, rate, percentiles and the API's CPU over time.

    This needs matplotlib, which the image `loadtest` does not have; without it, there is no plot.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure: Figure
    figure, (rate, delay, use) = plt.subplots(3, 1, figsize=(9, 8), sharex=True, layout="constrained")
    seconds = [m.second for m in moments]
    _draw_rate(rate, seconds, moments)
    for name, colour in (("p50_ms", "#9dbdc1"), ("p95_ms", "#0b6470"), ("p99_ms", "#e3a53f")):
        delay.plot(seconds, [getattr(m, name) for m in moments], color=colour, label=name.removesuffix("_ms"))
    if limit is not None:
        delay.axhline(limit, color="#b03a24", linewidth=1, linestyle=":", label="limit of p95")
    delay.set_ylabel("ms, last 10 s")
    delay.legend(loc="upper left", frameon=False)
    use.plot(seconds, [m.api_cpu or 0.0 for m in moments], color="#0b6470", label="API, cores")
    use.set_ylabel("cores")
    use.set_xlabel("seconds")
    memory = use.twinx()
    memory.plot(seconds, [m.api_memory_mb or 0.0 for m in moments], color="#8a9aa0", linestyle="--")
    memory.set_ylabel("API, MB (dashed)")
    memory.set_ylim(bottom=0)
    for axis in (rate, delay, use):
        axis.set_ylim(bottom=0)
        axis.spines["top"].set_visible(False)
    figure.suptitle(title)
    figure.savefig(path)
    plt.close(figure)


def _draw_rate(rate: "Axes", seconds: list[float], moments: list[Moment]) -> None:
    """Draw requests and failures a second, and the users on an axis of their own."""
    rate.plot(seconds, [m.requests_per_second for m in moments], color="#0b6470", label="requests/s")
    rate.plot(seconds, [m.failures_per_second for m in moments], color="#b03a24", label="failures/s")
    rate.set_ylabel("per second")
    users = rate.twinx()
    users.plot(seconds, [m.users for m in moments], color="#8a9aa0", linestyle="--", label="users")
    users.set_ylabel("users")
    users.set_ylim(bottom=0)
    lines = [*rate.get_lines(), *users.get_lines()]
    rate.legend(lines, [str(line.get_label()) for line in lines], loc="upper left", frameon=False)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
