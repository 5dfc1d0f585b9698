"""What is read from a compiled module, on lines as the compiler writes them."""

import pytest

from tools.tpu import operations

_ENTRY = """HloModule a_train_step, is_scheduled=true

%fused_computation.7 (param_0: bf16[8,32]) -> bf16[8,32] {
  ROOT %tanh.1 = bf16[8,32]{1,0} tanh(%param_0), backend_config={"window_config":{"estimated_cycles":"999"}}
}

ENTRY %main.0 (XLA_Args.0: f32[2000,64]) -> (f32[2000,64]) {
  %XLA_Args.0 = f32[2000,64]{1,0:T(8,128)} parameter(0), metadata={op_name="XLA_Args"}
  %copy.1 = bf16[8,32,2,64]{3,1,2,0:T(8,128)(2,1)} copy(%bitcast.3), metadata={op_name="discriminator/layer_1/attention/einsum/Einsum"}, backend_config={"window_config":{"estimated_cycles":"1574"}}
  %rng-bit-generator.9 = u32[1024,512]{1,0:T(8,128)} rng-bit-generator(%custom-call), algorithm=rng_default, metadata={op_name="generator/layer_2/layer_norm/stateless_random_uniform_4"}
  %fusion.4 = (f32[64]{0:T(256)}, /*index=1*/bf16[8,32]{1,0:T(8,128)(2,1)}) fusion(%copy.1), kind=kOutput, calls=%fused_computation.7, metadata={op_name="gradient_tape/discriminator/layer/electra/encoder/layer_0/intermediate/dense/MatMul_1"}, backend_config={"window_config":{"estimated_cycles":"300"}}
  %fusion.5 = (f32[64]{0:T(256)}, /*index=1*/bf16[8,32]{1,0:T(8,128)(2,1)}) fusion(%copy.1), kind=kOutput, calls=%fused_computation.7, metadata={op_name="gradient_tape/discriminator/layer_1/electra/encoder/layer_1/intermediate/dense/MatMul_1"}, backend_config={"window_config":{"estimated_cycles":"500"}}
  %fusion.6 = bf16[8,32]{1,0} fusion(%fusion.5), kind=kLoop, calls=%fused_computation.7, metadata={op_name="Sqrt;clipping/optimizer/PartitionedCall_3/Sqrt"}, backend_config={"window_config":{"estimated_cycles":"90"}}
  %fusion.7 = bf16[]{:T(256)} fusion(%fusion.5), kind=kLoop, calls=%fused_computation.7, backend_config={"window_config":{"estimated_cycles":"36"}}
  %all-reduce-start.1 = f32[1000000]{0:T(1024)} all-reduce-start(%fusion.5), replica_groups={{0,1}}, to_apply=%add
  %all-reduce-done.1 = f32[1000000]{0:T(1024)} all-reduce-done(%all-reduce-start.1)
  ROOT %tuple.2 = (f32[2000,64]{1,0:T(8,128)}) tuple(%XLA_Args.0)
}
"""  # noqa: E501


def test_cycles_are_added_by_part():
    summary = operations.summary(operations.parse(_ENTRY))
    assert summary["estimated_cycles"] == 2500  # not those of a computation called
    assert summary["breakdown"] == {
        "copies": 1574,
        "feed-forward": 800,
        "optimizer": 90,
        "rest": 36,
    }
    assert summary["unestimated_gb"] == {"rng-bit-generator": 1024 * 512 * 4 / 1e9}
    assert summary["loops"] == 0
    assert summary["all_reduces"] == 1


def test_operations_alike_in_all_layers_are_one():
    first, second, *_ = operations.costliest(operations.parse(_ENTRY), 3)
    assert (first["kind"], first["cycles"]) == ("copy", 1574)
    assert (second["count"], second["cycles"]) == (2, 800)
    assert second["shape"] == "(f32[64], /*index=1*/bf16[8,32])"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("generator/layer_3/attention/dropout_1/PartitionedCall/mul", "dropout"),
        ("discriminator/layer/electra/encoder/layer_0/attention/output/dense/MatMul",)
        + ("attention",),
        ("generator/token_head/layer_norm/PartitionedCall", "generator head"),
        ("gradient_tape/clipping/optimizer/PartitionedCall_1/sub", "optimizer"),
        ("masking_1/stateless_random_uniform/xor", "random numbers"),
        ("discriminator/electra/embeddings_project/MatMul", "embeddings"),
        ("Sum_4", "rest"),
    ],
)
def test_part(name, part):
    assert operations.Operation("fusion", name, "f32[]", 1).part == part


def test_result_bytes():
    shape = "(f32[64], /*index=1*/bf16[8,32], pred[10], u32[])"
    assert operations.Operation("fusion", "", shape, 1).result_bytes == 256 + 512 + 14


def test_a_loop_is_told():
    loop = (
        '  %while.1 = (s32[]) while(%tuple.1), condition=%c, body=%b, x="estimated"\n'
    )
    text = _ENTRY.replace("  ROOT %tuple.2", loop + "  ROOT %tuple.2")
    assert operations.summary(operations.parse(text))["loops"] == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%outfeed.1 = token[] outfeed(%x, %token)", "outfeed"),
        ("%send.1 = (f32[], u32[], token[]) send(%x, %token), channel_id=1", "send"),
        ("%add.1 = s32[<=10,3]{1,0} add(%x, %y)", "s32[<=10,3]"),
        (
            '%call.1 = f32[] custom-call(%x), custom_call_target="MoveToHost"',
            'custom_call_target="MoveToHost"',
        ),
    ],
)
def test_what_a_tpu_cannot_run_is_found(line, found):
    assert operations.unsuitable(_ENTRY) == []
    text = _ENTRY.replace("  ROOT %tuple.2", f"  {line}\n  ROOT %tuple.2")
    assert operations.unsuitable(text) == [found]
