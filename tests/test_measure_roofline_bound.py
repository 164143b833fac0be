import pytest

from packlight.measure.results import BandwidthSample, MachineRates
from packlight.measure.roofline import Work, roofline
from packlight.measure.roofline.bound import bandwidth

RATES = MachineRates(
    fp32_macs_per_s=50e9,
    int8_macs_per_s=200e9,
    bytes_per_s=10e9,
    reads=(
        BandwidthSample(bytes=4_000_000, bytes_per_s=40e9),
        BandwidthSample(bytes=16_000_000, bytes_per_s=30e9),
        BandwidthSample(bytes=256_000_000, bytes_per_s=10e9),
    ),
    threads=1,
)


def test_large_weights_are_bound_by_memory():
    found = roofline(Work(fp32_macs=850e6, int8_macs=0, bytes=400e6), RATES, 50.0, 10.0)
    assert found.bound_ms == pytest.approx(40.0), "400 MB at 10 GB/s; the products take 17 ms"
    assert (found.binds, found.times_bound) == ("memory", pytest.approx(1.25))


def test_many_products_with_few_weights_are_bound_by_arithmetic():
    found = roofline(Work(fp32_macs=500e6, int8_macs=0, bytes=40e6), RATES, 20.0, 100.0)
    assert (found.binds, found.bound_ms) == ("compute", pytest.approx(10.0))
    assert found.times_bound == pytest.approx(2.0)


def test_int8_and_float_products_take_their_own_time_one_after_the_other():
    found = roofline(Work(fp32_macs=50e6, int8_macs=200e6, bytes=1e6), RATES, 3.0, 10.0)
    assert found.bound_ms == pytest.approx(1.0 + 1.0)
    assert (found.macs, found.int8_macs) == (250e6, 200e6)


@pytest.mark.parametrize(("size", "rate"), [(1e6, 40e9), (4e6, 40e9), (5e6, 30e9), (17e6, 10e9), (1e9, 10e9)])
def test_weights_are_read_at_the_rate_of_what_holds_them(size, rate):
    assert bandwidth(RATES, size) == rate
