"""The network itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from forecasting.models import MODELS
from forecasting.models.birnn import BiRNN, BiRNNSettings
from node.model_names import MODEL_NAMES as CONFIGURABLE


def network(layers: int = 2, dropout: float = 0.0) -> BiRNN:
    torch.manual_seed(0)
    made = BiRNN(5, BiRNNSettings(window=12, hidden=7, layers=layers, dropout=dropout))
    nn.init.normal_(made.head.weight)
    return made


def test_every_model_of_the_config_can_be_built() -> None:
    assert set(CONFIGURABLE) == set(MODELS)
    for model in MODELS.values():
        assert model.build(5)(torch.randn(3, model.window, 5)).shape == (3,)


def test_an_untrained_network_answers_the_baseline() -> None:
    untrained = BiRNN(5, BiRNNSettings()).eval()
    assert torch.equal(untrained(torch.randn(4, 24, 5)), torch.zeros(4))


def test_both_directions_are_read_where_they_have_seen_the_whole_window() -> None:
    made = network(layers=1).eval()
    windows = torch.randn(1, 12, 5, requires_grad=True)
    for half in (slice(0, 7), slice(7, 14)):
        only = torch.zeros_like(made.head.weight)
        only[:, half] = made.head.weight[:, half]
        _, states = made.rnn(windows)
        answer = (torch.cat((states[-2], states[-1]), dim=1) * only).sum()
        (slope,) = torch.autograd.grad(answer, windows)
        assert (slope.abs().sum(dim=2) > 0).all(), "some bar was never seen"


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bars", [1, 2, 12])
def test_training_computes_what_serving_does_gradients_included(layers: int, bars: int) -> None:
    made, windows = network(layers), torch.randn(6, bars, 5)
    results = []
    for training in (True, False):
        made.train(training)
        made.zero_grad()
        answers = made(windows)
        answers.square().sum().backward()
        results.append([answers.detach(), *(parameter.grad.clone() for parameter in made.parameters())])
    for fast, reference in zip(*results, strict=True):
        torch.testing.assert_close(fast, reference, rtol=1e-4, atol=1e-5)


def test_the_gradient_with_respect_to_the_input_is_right_too() -> None:
    made = network()
    slopes = []
    for training in (True, False):
        windows = torch.linspace(-1, 1, 60).reshape(1, 12, 5).requires_grad_()
        made.train(training)(windows).sum().backward()
        slopes.append(windows.grad)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_alone() -> None:
    made, windows = network(dropout=0.5), torch.randn(4, 12, 5)
    assert not torch.equal(made.train()(windows), made(windows))
    assert torch.equal(made.eval()(windows), made(windows))
