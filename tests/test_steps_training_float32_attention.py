"""Attention in float32 inside a training in bfloat16."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from packlight.models.hf_model import build_classifier
from packlight.steps.training.float32_attention import Float32Attention
from packlight.steps.training.trainer import fit


class Watched(TorchFunctionMode):
    """Keeps the dtypes in which attention is computed, and whether with gradients."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is scaled_dot_product_attention:
            self.seen.append((args[0].dtype, torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def states():
    torch.manual_seed(0)
    return [torch.randn(2, 3, 7, 8, requires_grad=True) for _ in range(3)]


@pytest.fixture
def mask():
    whole = torch.zeros(2, 1, 7, 7)
    whole[1, ..., 4:] = -torch.inf
    return whole


def gradients(attended, states):
    return torch.autograd.grad(attended.square().sum(), states)


@pytest.mark.parametrize("boolean", [True, False])
def test_the_result_is_that_of_float32_rounded_once(states, mask, boolean):
    given = mask == 0 if boolean else mask.bfloat16()
    expected = scaled_dot_product_attention(*states, given if boolean else mask)
    rounded = [state.detach().bfloat16().requires_grad_() for state in states]
    with Float32Attention():
        attended = scaled_dot_product_attention(*rounded, attn_mask=given)
    assert attended.dtype == torch.bfloat16
    torch.testing.assert_close(attended.float(), expected, atol=0.03, rtol=0.02)
    exact = scaled_dot_product_attention(*(state.float() for state in rounded), given if boolean else mask)
    assert torch.equal(attended, exact.bfloat16())
    for own, right in zip(gradients(attended.float(), rounded), gradients(expected, states), strict=True):
        torch.testing.assert_close(own.float(), right, atol=0.1, rtol=0.1)


def test_a_causal_mask_can_be_asked_for_by_position(states):
    rounded = [state.detach().bfloat16().requires_grad_() for state in states]
    with Float32Attention():
        attended = scaled_dot_product_attention(*rounded, None, 0.0, True)  # noqa: FBT003 - what is tested
    exact = scaled_dot_product_attention(*(state.float() for state in rounded), is_causal=True)
    assert torch.equal(attended, exact.bfloat16())


@pytest.mark.parametrize(
    ("options", "gradient", "dtype", "expected"),
    [
        ({}, True, torch.bfloat16, torch.float32),
        ({"dropout_p": 0.1}, True, torch.bfloat16, torch.bfloat16),
        ({}, False, torch.bfloat16, torch.bfloat16),
        ({}, True, torch.float64, torch.float64),
    ],
)
def test_only_attention_in_bfloat16_that_needs_gradients_is_computed_in_float32(
    states, options, gradient, dtype, expected
):
    with Watched() as watched, Float32Attention(), torch.set_grad_enabled(gradient):
        attended = scaled_dot_product_attention(*(state.to(dtype) for state in states), **options)
    assert [dtype for dtype, *_ in watched.seen] == [expected]
    assert attended.dtype == dtype


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_a_training_in_bfloat16_computes_its_attention_in_float32(encoder_folder, tiny, tmp_path, family):
    folder = encoder_folder(family)
    model = build_classifier(folder, tiny.LABELS, seed=1)
    objective = lambda logits, labels, _: torch.nn.functional.cross_entropy(logits, labels)  # noqa: E731
    options = tiny.options(epochs=1, bf16=True, dropout=0.0)
    with Watched() as watched:
        fit(
            model, tiny.text_encoder(folder), tiny.toy_train_data(), objective, options, work=tmp_path, seed=5, title=""
        )
    trained = {(dtype, autocast) for dtype, gradient, autocast in watched.seen if gradient}
    assert trained == {(torch.float32, False)}
