"""Tests of the batches: fixed shares of yaw, reproducibility, and exact resumption."""

import itertools

import numpy as np
import pytest

from twodasl_jax.data.pipeline import Pool, stack_records, training_batches

YAW = np.radians(np.concatenate([np.full(80, 5.0), np.full(15, -45.0), np.full(5, 80.0)]))


def records():
    return [
        {
            "image": np.full((120, 120, 3), row, np.uint8),
            "landmarks": np.full((68, 2), row, np.float32),
            "visibility": np.full(68, 2, np.uint8),
            "vector": np.full(62, row, np.float32),
            "name": f"face{row}".encode(),
        }
        for row in range(len(YAW))
    ]


def batches(seed=0, yaw=YAW, shares=(0.5, 0.25, 0.25)):
    return iter(training_batches([Pool(records(), yaw)], 8, shares, seed))


def rows(iterator, count):
    return [
        batch["vector"][:, 0].astype(int).tolist() for batch in itertools.islice(iterator, count)
    ]


def test_batches_have_configured_yaw_shares():
    drawn = np.concatenate(rows(batches(), 50))
    frontal, half, profile = (
        (drawn < 80).mean(),
        ((drawn >= 80) & (drawn < 95)).mean(),
        (drawn >= 95).mean(),
    )
    assert (frontal, half, profile) == pytest.approx((0.5, 0.25, 0.25), abs=0.01)


def test_faces_of_one_yaw_range_are_drawn_equally_often():
    drawn = np.concatenate(rows(batches(), 40))
    assert set(np.bincount(drawn, minlength=100)[:80]) == {2}


def test_faces_with_nan_yaw_are_never_drawn():
    yaw = YAW.copy()
    yaw[:40] = np.nan
    assert np.concatenate(rows(batches(yaw=yaw), 40)).min() == 40


def test_seed_determines_order():
    assert rows(batches(1), 5) == rows(batches(1), 5)
    assert rows(batches(1), 5) != rows(batches(2), 5)


def test_restored_state_continues_exactly():
    iterator = batches()
    rows(iterator, 7)
    state = iterator.get_state()
    rest = rows(iterator, 5)
    resumed = batches()
    resumed.set_state(state)
    assert rows(resumed, 5) == rest


def test_joined_batches_of_all_processes_equal_single_process():
    parts = [
        iter(training_batches([Pool(records(), YAW)], 8, (0.5, 0.25, 0.25), 0, (index, 4)))
        for index in range(4)
    ]
    joined = zip(*(rows(part, 6) for part in parts), strict=True)
    assert [list(itertools.chain(*batch)) for batch in joined] == rows(batches(), 6)


def test_batch_keeps_fields_of_record_together():
    batch = next(batches())
    np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], batch["vector"][:, 0])
    assert set(batch) == {"image", "landmarks", "visibility", "vector", "name"}
    assert batch["name"].tolist() == [f"face{row:.0f}".encode() for row in batch["vector"][:, 0]]


def test_stack_records_keeps_order():
    some = stack_records([(records(), 3), (records(), 1), (records(), 4)])
    np.testing.assert_array_equal(some["vector"][:, 0], [3, 1, 4])
    assert some["image"].shape == (3, 120, 120, 3)


def test_data_sets_are_mixed_by_weight():
    others = [record | {"vector": record["vector"] + 1000} for record in records()]
    # The second data set has no profile faces, so its frontal faces replace them.
    yaw = np.where(np.abs(YAW) > 1, np.nan, YAW)
    pools = [Pool(records(), YAW, 3.0), Pool(others, yaw, 1.0)]
    drawn = np.concatenate(rows(iter(training_batches(pools, 8, (0.5, 0.25, 0.25), 0)), 50))
    assert (drawn >= 1000).mean() == pytest.approx(0.25, abs=0.01)
    assert (drawn[drawn < 1000] >= 95).mean() == pytest.approx(0.25, abs=0.02)
