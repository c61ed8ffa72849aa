"""Bundles of our kernels, from files as libtpu writes them."""

from experiments.compile_for.machine_code import read_bundles

OF_A_KERNEL = """Schedule analysis:
\ttotal scheduled bundles:    1332
\tempty scheduled bundles:    10
\t1322.00 scheduled bundles (100.00%): %k.8 = f32[2]{0} custom-call(%x), frontend_attributes={kernel_metadata={
"grid_steps":"4"
}}, backend_config={"body":"TUzv=="}
\t[opcode]    1322 scheduled bundles (100.00%): custom-call          (1 instances, 1322.00 avg)
"""
OF_A_PROGRAM = OF_A_KERNEL.replace("1322.00 scheduled bundles (100.00%)", "3.00 scheduled bundles (0.20%)")


def test_bundles_are_those_of_the_file_that_holds_the_kernel_alone(tmp_path):
    for name, text in {"1-k.8-00": OF_A_KERNEL, "2-program-00": OF_A_PROGRAM, "3-fusion-00": "none"}.items():
        (tmp_path / f"{name}-schedule-analysis_final_bundles.txt").write_text(text)
    assert read_bundles(tmp_path) == {"TUzv==": 1322}
