"""What is read from compiled programs: of a text by hand, and of one that XLA compiles here."""

import jax
import jax.numpy as jnp

from experiments.compile_for.hlo import describe

MODULE = """
HloModule jit_f, entry_computation_layout={()->f32[4]{0}}

%inner (p: f32[4]) -> f32[4] {
  %p = f32[4]{0:T(128)} parameter(0)
  ROOT %picked = f32[4]{0} gather(%p, %p), offset_dims={}
}

%body (arg: (s32[], s32[], f32[4])) -> (s32[], s32[], f32[4]) {
  %arg = (s32[], s32[], f32[4]{0}) parameter(0)
  %value = f32[4]{0} get-tuple-element(%arg), index=2
  %step = f32[4]{0:T(128)S(1)} fusion(%value), kind=kLoop, calls=%inner, metadata={op_name="a/b/c/d/e"}, ESTIMATE
  ROOT %next = (s32[], s32[], f32[4]{0}) tuple(%arg, %arg, %step)
}

%condition (arg.1: (s32[], s32[], f32[4])) -> pred[] {
  %arg.1 = (s32[], s32[], f32[4]{0}) parameter(0)
  %count = s32[] get-tuple-element(%arg.1), index=0
  %bound = s32[] get-tuple-element(%arg.1), index=1
  ROOT %less = pred[] compare(%count, %bound), direction=LT
}

ENTRY %main () -> f32[4] {
  %zero = s32[] constant(0)
  %bound.1 = s32[] constant(12)
  %bound.2 = s32[] copy(%bound.1)
  %start = f32[4]{0} fusion(), kind=kLoop, calls=%inner
  %tuple = (s32[], s32[], f32[4]{0}) tuple(%zero, %bound.2, %start)
  %loop = (s32[], s32[], f32[4]{0}) while(%tuple), condition=%condition, body=%body, metadata={op_name="f/while"}
  ROOT %out = f32[4]{0} get-tuple-element(%loop), index=2
}
""".replace("ESTIMATE", 'backend_config={"estimated_cycles":"70"}')


def test_operations_in_loops_count_as_often_as_they_run():
    found = describe(MODULE)
    loop, *others = found.loops
    assert not others
    assert (loop.trips, loop.size, loop.source, loop.cycles) == (12, 1, "f/while", 12 * 70)
    within = max(found.operations, key=lambda one: one.cycles)
    assert (within.kind, within.times, within.cycles, within.source) == ("fusion", 12, 840, "b/c/d/e")
    # A fusion without a count is a gather's, of which the elements are told; the copy has no count either.
    assert sum(one.gathered for one in found.operations) == 4
    assert found.cycles == 840
    assert found.launches == 12 + 2


def test_loops_of_loops_are_read_from_what_xla_compiles():
    def outer(x, _):
        return jax.lax.scan(lambda y, _: (jnp.tanh(y @ y), None), x, length=5)[0], None

    program = jax.jit(lambda x: jax.lax.scan(outer, x, length=7)[0])
    found = describe(program.lower(jnp.ones((8, 8))).compile().as_text())
    assert sorted(one.trips for one in found.loops) == [5, 7]
    assert 5 * 7 in {one.times for one in found.operations}


def test_kernels_of_ours_take_their_code_or_their_memory_as_often_as_they_run():
    kernel = """(f32[8]{0:T(128)}, f32[8]{0:T(128)S(1)}) custom-call(%value), frontend_attributes={kernel_metadata={
"grid_steps":"5"
}}, backend_config={"custom_call_config":{"body":"TUzv=="}}"""
    fusion = MODULE[MODULE.index("f32[4]{0:T(128)S(1)} fusion") : MODULE.index("\n  ROOT %next")]
    found = describe(MODULE.replace(fusion, kernel), {"TUzv==": 100})
    (ours,) = (one for one in found.operations if one.bundles)
    # In each of twelve trips five steps, and an operand of four and a result of eight values in the large memory.
    assert (ours.bundles, ours.moved, ours.cycles) == (12 * 5 * 100, 12 * (4 + 8) * 4, 0)
    assert found.kernel_seconds(1e3, 1e9) == 6.0
    assert found.kernel_seconds(1e9, 1.0) == 576.0
    assert describe(MODULE.replace(fusion, kernel)).kernel_seconds(1e3, 1.0) == 0
