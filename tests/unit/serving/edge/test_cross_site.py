"""Web pages of others reach no API without keys."""

import pytest

from serving.edge.cross_site import CrossSite

HERE = (b"host", b"127.0.0.1:18080")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HERE],
        [(b"host", b"localhost")],
        [(b"host", b"[::1]:18080")],
        [(b"host", b"API.localhost:80")],
        [HERE, (b"origin", b"http://127.0.0.1:18080"), (b"sec-fetch-site", b"same-origin")],
    ],
)
def test_programs_and_the_apis_own_pages_are_answered(headers: list[tuple[bytes, bytes]]) -> None:
    assert CrossSite("127.0.0.1").refusal("POST", headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [HERE, (b"sec-fetch-site", b"cross-site")],
        [HERE, (b"origin", b"http://evil.example")],
        [HERE, (b"origin", b"null")],
        [HERE, (b"origin", b"http://127.0.0.1:9000"), (b"sec-fetch-site", b"same-site")],
    ],
)
def test_a_post_of_another_page_is_refused_and_a_get_tells_it_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        refusal = CrossSite(host).refusal("POST", headers)
        assert refusal is not None and refusal.status_code == 403
        assert CrossSite(host).refusal("GET", headers) is None


def test_another_name_of_the_loopback_reads_nothing() -> None:
    rebound = [(b"host", b"evil.example:18080"), (b"sec-fetch-site", b"same-origin")]
    for method in ("GET", "POST"):
        refusal = CrossSite("127.0.0.1").refusal(method, rebound)
        assert refusal is not None and b"READMISSION_API_KEYS" in refusal.body
    # Elsewhere the name is the operator's.
    assert CrossSite("0.0.0.0").refusal("GET", rebound) is None
