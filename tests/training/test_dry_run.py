"""What a run would be, before it takes a step."""

import pytest

from twodasl_jax.training.dry_run import describe
from twodasl_jax.training.run import build_run


@pytest.mark.usefixtures("quick_compilation")
def test_a_run_is_described_without_a_step(config, face_model):
    told = describe(build_run(config, face_model)).splitlines()
    rows = {line[:28].strip(): line[28:] for line in told}
    assert rows["network"] == "compact, 1,827,422 parameters"
    assert rows["annotated"] == "57 faces"
    assert rows["held out"] == "3 faces"
    assert rows["batch.annotated.image"] == "uint8 (8, 144, 144, 3)"
    assert rows["batch.wild.image"] == "uint8 (0, 144, 144, 3)"
    assert rows["steps"] == "6"
    flops = float(rows["arithmetic"].split()[0])
    # One image a device: 56 million products and sums forward, twice that back, and the augmentation.
    assert flops == pytest.approx(3 * 2 * 0.056, rel=0.3)
    assert "self-critic" not in rows
