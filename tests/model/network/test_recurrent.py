import pytest
import torch
from torch import Tensor

from model.network.recurrent import LSTM, RECURRENT, Bag, MultiplicativeLSTM


def by_the_equations(layer: MultiplicativeLSTM, inputs: Tensor) -> Tensor:
    """Krause et al. 2016, equations 16 to 22, one step after the other, for automatic differentiation."""
    hidden = layer.hidden
    w_m, w_gates = layer.from_input.weight.split([hidden, 4 * hidden])
    b_m, b_gates = layer.from_input.bias.split([hidden, 4 * hidden])
    state = cell = inputs.new_zeros(inputs.shape[1], hidden)
    states = []
    for x in inputs:
        m = (x @ w_m.T + b_m) * (state @ layer.from_state.weight.T + layer.from_state.bias)
        i, f, o, u = (x @ w_gates.T + b_gates + m @ layer.from_intermediate.weight.T).chunk(4, dim=-1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(u)
        state = torch.sigmoid(o) * torch.tanh(cell)
        states.append(state)
    return torch.stack(states)


def test_the_states_are_those_of_the_publications_equations() -> None:
    torch.manual_seed(0)
    layer = MultiplicativeLSTM(3, 4).double()
    inputs = torch.randn(6, 2, 3, dtype=torch.double)

    assert torch.allclose(layer(inputs), by_the_equations(layer, inputs))


def test_the_gradients_are_those_of_the_publications_equations() -> None:
    torch.manual_seed(0)
    layer = MultiplicativeLSTM(3, 4).double()
    inputs = torch.randn(6, 2, 3, dtype=torch.double, requires_grad=True)
    weights = torch.randn(6, 2, 4, dtype=torch.double)
    everything = [inputs, *layer.parameters()]

    ours = torch.autograd.grad((layer(inputs) * weights).sum(), everything)
    expected = torch.autograd.grad((by_the_equations(layer, inputs) * weights).sum(), everything)

    for gradient, reference in zip(ours, expected, strict=True):
        assert torch.allclose(gradient, reference)


def test_a_state_depends_on_nothing_that_comes_later() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(5, 1, 3)
    for layer in (MultiplicativeLSTM(3, 4), LSTM(3, 4)):
        assert torch.allclose(layer(inputs)[:3], layer(inputs[:3]))


def test_a_bag_is_the_mean_of_the_inputs_so_far_in_any_order() -> None:
    bag = Bag(3, 4)
    inputs = torch.randn(5, 2, 3)

    states = bag(inputs)

    read = torch.tanh(bag.layer(inputs))
    assert torch.allclose(states[2], read[:3].mean(0), atol=1e-6)
    assert torch.allclose(bag(inputs.flip(0))[-1], states[-1], atol=1e-6)


@pytest.mark.parametrize("kind", RECURRENT)
def test_without_steps_there_are_no_states(kind: str) -> None:
    assert RECURRENT[kind](3, 4)(torch.zeros(0, 5, 3)).shape == (0, 5, 4)


@pytest.mark.parametrize("kind", RECURRENT)
def test_step_by_step_is_the_same_as_all_at_once(kind: str) -> None:
    torch.manual_seed(0)
    layer = RECURRENT[kind](3, 4)
    inputs = torch.randn(6, 2, 3)
    at_once = layer(inputs)

    state = layer.start(2)
    for step, states in zip(inputs, at_once, strict=True):
        state = layer.advance(step, state)
        assert torch.allclose(state[0], states, atol=1e-6)
