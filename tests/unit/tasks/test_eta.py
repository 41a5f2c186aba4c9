"""The pace of a task: a window of samples, and what it says of the end."""

import pytest

from longhaul.tasks.progress import RATE_SAMPLES, Sample, eta_seconds, extended


def test_only_what_is_more_is_a_sample_and_the_window_forgets() -> None:
    pace: tuple[Sample, ...] = ()
    for at in range(30):
        pace = extended(pace, Sample(float(at), at // 2 / 20))
    assert len(pace) == RATE_SAMPLES
    assert [sample.share for sample in pace] == [place / 20 for place in range(5, 15)]
    assert [sample.at for sample in pace] == [float(at) for at in range(10, 30, 2)]


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [
        ([], None),
        ([(100.0, 0.5)], None),
        ([(100.0, 0.1), (110.0, 0.2)], 80),
        ([(100.0, 0.0), (110.0, 0.1), (115.0, 0.4)], 23),
        ([(100.0, 0.1), (110.0, 1.0)], 0),
        ([(100.0, 0.1), (99.0, 0.2)], 1),
    ],
)
def test_the_rest_takes_as_long_as_the_rate_of_the_window_says(
    samples: list[tuple[float, float]], seconds: int | None
) -> None:
    assert eta_seconds([Sample(*sample) for sample in samples]) == seconds
