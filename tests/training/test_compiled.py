"""The cost of compiled programs, by hand and after compilation, and the dry run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from twodasl_jax.training.compiled import collectives_of, cost_of, describe, main_memory_traffic
from twodasl_jax.training.run import build_run

# Written by hand in the format of the TPU compiler; S(1) is on-chip memory.
PROGRAM = """HloModule step, entry_computation_layout={(f32[8,4]{1,0})->f32[8,4]{1,0}}

%fused_computation (p: f32[8,4]) -> f32[8,4] {
  %p = f32[8,4]{1,0} parameter(0)
  ROOT %inner = f32[8,4]{1,0} add(%p, %p)
}

%body (state: (f32[16])) -> (f32[16]) {
  %state = (f32[16]{0}) parameter(0)
  %element = f32[16]{0} get-tuple-element(%state), index=0
  %doubled = f32[16]{0} add(%element, %element)
  %summed = f32[16]{0} all-reduce(%doubled), channel_id=2, to_apply=%add
  ROOT %again = (f32[16]{0}) tuple(%summed)
}

ENTRY %main (x: f32[8,4], y: (f32[16])) -> f32[8,4] {
  %x = f32[8,4]{1,0:T(8,128)} parameter(0)
  %y = (f32[16]{0}) parameter(1)
  %slice-start.1 = ((f32[8,4]{1,0}), f32[2,4]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) slice-start(%x), slice={[0:2], [0:4]}
  %slice-done.1 = f32[2,4]{1,0:T(8,128)S(1)} slice-done(%slice-start.1)
  %fusion.1 = bf16[8,4]{1,0:T(8,128)} fusion(%x, %slice-done.1), kind=kLoop, calls=%fused_computation
  %copy-start.1 = (bf16[8,4]{1,0}, bf16[8,4]{1,0:S(1)}, u32[]{:S(2)}) copy-start(%fusion.1)
  %copy-done.1 = bf16[8,4]{1,0:S(1)} copy-done(%copy-start.1)
  %loop = (f32[16]{0}) while(%y), condition=%cond, body=%body, backend_config={"known_trip_count":{"n":"3"}}
  %all-reduce.1 = (f32[8,4]{1,0}, f32[4]{0}) all-reduce(%x, %x), channel_id=1, to_apply=%add
  %all-gather-start.1 = (f32[2,4]{1,0}, f32[8,4]{1,0}) all-gather-start(%x), channel_id=3
  %all-gather-done.1 = f32[8,4]{1,0} all-gather-done(%all-gather-start.1)
  ROOT %fusion.2 = f32[8,4]{1,0} fusion(%copy-done.1), kind=kLoop, calls=%fused_computation
}
"""


def test_collectives_by_hand():
    # One of two arrays, one of a gathered array, and one in each of three iterations.
    assert collectives_of(PROGRAM) == (5, (128 + 16) + 128 + 3 * 64)


def test_main_memory_traffic_by_hand():
    slice_read = 32
    first_fusion = 64 + 128  # writes bf16, reads x; the slice is in on-chip memory
    copy_read = 64
    iterations = 3 * ((64 + 2 * 64) + (64 + 64))
    all_reduce = (128 + 16) + 2 * 128
    all_gather = (32 + 128) + 128
    second_fusion = 128  # its operand is in on-chip memory
    expected = (
        slice_read + first_fusion + copy_read + iterations + all_reduce + all_gather + second_fusion
    )
    assert main_memory_traffic(PROGRAM) == expected


def test_cost_of_matrix_product():
    a, b = jnp.zeros((64, 128)), jnp.zeros((128, 32))
    cost = cost_of(jax.jit(jnp.matmul).lower(a, b).compile())
    assert cost.flops == pytest.approx(2 * 64 * 128 * 32, rel=0.01)
    assert cost.arguments == 4 * (64 * 128 + 128 * 32)
    assert cost.traffic >= 4 * (64 * 128 + 128 * 32 + 64 * 32)
    assert (cost.collectives, cost.message_bytes) == (0, 0)


def test_sum_over_devices_is_one_message():
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    total = jax.shard_map(
        lambda x: jax.lax.psum(x, "data"),
        mesh=mesh,
        in_specs=PartitionSpec("data"),
        out_specs=PartitionSpec(),
    )
    cost = cost_of(jax.jit(total).lower(jnp.zeros((2, 100))).compile())
    assert (cost.collectives, cost.message_bytes) == (1, 400)


@pytest.mark.usefixtures("quick_compilation")
def test_dry_run_describes_run_without_a_step(config, face_model):
    lines = describe(build_run(config, face_model)).splitlines()
    rows = {line[:28].strip(): line[28:] for line in lines}
    assert rows["network"] == "compact, 1,827,422 parameters"
    assert rows["annotated"] == "57 faces"
    assert rows["held out"] == "3 faces"
    assert rows["batch.annotated.image"] == "uint8 (8, 144, 144, 3)"
    assert rows["batch.wild.image"] == "uint8 (0, 144, 144, 3)"
    assert rows["steps"] == "6"
    flops = float(rows["arithmetic"].split()[0])
    # One image per device: 56 million multiply-adds forward, twice as many backward, and the augmentation.
    assert flops == pytest.approx(3 * 2 * 0.056, rel=0.3)
    assert "self-critic" not in rows
