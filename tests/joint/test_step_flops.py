"""Operations of a step are counted as by hand, and those for padding are set apart."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from joint.speed.step_flops import StepFlops, count_flops, measure_peak


def test_a_linear_layer_costs_two_operations_a_weight_and_row_and_as_many_for_its_gradient():
    layer, rows = nn.Linear(6, 4), torch.randn(3, 6)
    # Forward and the gradient of the weights; the rows need none.
    assert count_flops(lambda: layer(rows).sum().backward()) == 2 * (2 * 3 * 24)


def test_what_is_computed_for_padding_is_of_no_use():
    assert StepFlops(total=100, text=80, padding_share=0.25).useful == pytest.approx(80)
    assert StepFlops(total=100, text=0, padding_share=0.0).useful == 100


def test_a_machine_has_a_peak():
    assert measure_peak(Accelerator(cpu=True)) > 0
