from loadtest.generator import Run
from readmission.monitoring.traffic import NOT_PATIENTS


def test_load_tests_send_ids_that_are_left_out() -> None:
    run = Run("http://127.0.0.1:1/predict", [b"{}"], connections=1)
    request_id = run.requests[0].split(b"X-Request-ID: ")[1].split(b"\r\n")[0].decode()
    assert any(request_id.startswith(pattern.removesuffix("%")) for pattern in NOT_PATIENTS)
