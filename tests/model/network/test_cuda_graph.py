"""Recurrences by CUDA graphs, on a CPU: the recorder is one of our own, with the memory that a graph has.

It keeps one place for the arguments, one for the results and one for the gradients of each recording, as
`torch.cuda.make_graphed_callables` does. So a graph that is replayed at the wrong time gives wrong numbers here, too.
"""

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from model.network import cuda_graph, recurrent
from model.network.cuda_graph import STEPS_AT_ONCE, Steps, can_replay
from model.network.recurrent import MultiplicativeLSTM


class Recorder:
    """Stands for `torch.cuda.make_graphed_callables`; counts the recordings."""

    def __init__(self) -> None:
        self.shapes: list[torch.Size] = []

    def __call__(self, steps: Steps, samples: tuple[Tensor, ...]) -> Steps:
        self.shapes.append(samples[0].shape)
        result: list[Tensor] = []
        gradients = [torch.zeros_like(sample) for sample in samples]

        class Replay(torch.autograd.Function):
            @staticmethod
            def forward(_: Any, *arguments: Tensor) -> Tensor:
                with torch.enable_grad():
                    for sample, argument in zip(samples, arguments, strict=True):
                        sample.data.copy_(argument)
                    result[:] = [steps(*samples)]
                return result[0].detach()

            @staticmethod
            def backward(_: Any, gradient: Tensor) -> tuple[Tensor, ...]:
                for place, of_sample in zip(gradients, torch.autograd.grad(result[0], samples, gradient), strict=True):
                    place.copy_(of_sample)
                return tuple(place.detach() for place in gradients)

        return Replay.apply


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Every layer is replayed, as on a GPU."""
    recorder = Recorder()
    monkeypatch.setattr(recurrent, "can_replay", lambda inputs: len(inputs) > 0)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorder)
    return recorder


def layer(seed: int) -> MultiplicativeLSTM:
    torch.manual_seed(seed)
    return MultiplicativeLSTM(3, 4)


def inputs(steps: int, seed: int = 0) -> Tensor:
    return torch.randn(steps, 5, 3, generator=torch.Generator().manual_seed(seed))


def learned(layers: list[MultiplicativeLSTM], sequences: Tensor) -> list[Tensor]:
    """The states of each layer, and the gradients of all weights for a loss of all layers together."""
    states = [layer(sequences) for layer in layers]
    loss = sum(((of_layer * (1 + torch.arange(4))).square().sum() for of_layer in states), start=torch.zeros(()))
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    return [*(of_layer.detach().clone() for of_layer in states), *torch.autograd.grad(loss, parameters)]


def test_states_and_gradients_are_those_without_a_graph_whatever_the_length(recorder: Recorder) -> None:
    ours, theirs = layer(0), layer(0)
    for steps in (1, 7, 8, 9, 16, 3):
        replayed = learned([ours], inputs(steps, seed=steps))
        with pytest.MonkeyPatch.context() as without_graphs:
            without_graphs.setattr(recurrent, "can_replay", lambda _: False)
            expected = learned([theirs], inputs(steps, seed=steps))
        torch.testing.assert_close(replayed, expected)

    assert [shape[0] for shape in recorder.shapes] == [STEPS_AT_ONCE, 2 * STEPS_AT_ONCE]


def test_a_training_by_graphs_learns_what_one_without_learns(recorder: Recorder) -> None:
    weights = []
    for graphs in (True, False):
        one = layer(0)
        optimizer = torch.optim.AdamW(one.parameters(), lr=0.1, fused=True)
        with pytest.MonkeyPatch.context() as context:
            if not graphs:
                context.setattr(recurrent, "can_replay", lambda _: False)
            for step in range(6):
                optimizer.zero_grad(set_to_none=True)
                one(inputs(5 + 2 * step, seed=step)).square().sum().backward()
                torch.nn.utils.clip_grad_norm_(one.parameters(), 0.5)
                optimizer.step()
        weights.append([parameter.detach() for parameter in one.parameters()])

    torch.testing.assert_close(*weights)
    assert len(recorder.shapes) == 2


def test_what_is_forgotten_is_recorded_again(recorder: Recorder) -> None:
    one = layer(0)
    for _ in range(2):
        learned([one], inputs(6))
        cuda_graph.forget()

    assert len(recorder.shapes) == 2


def test_two_layers_of_one_size_have_a_graph_each(recorder: Recorder) -> None:
    together = learned([layer(0), layer(1)], inputs(6))
    alone = [learned([layer(seed)], inputs(6)) for seed in (0, 1)]

    torch.testing.assert_close(together, [alone[0][0], alone[1][0], *alone[0][1:], *alone[1][1:]])
    assert len(recorder.shapes) == 4


def test_a_layer_without_steps_records_nothing(recorder: Recorder) -> None:
    assert layer(0)(inputs(0)).shape == (0, 5, 4)
    assert not recorder.shapes


def test_under_autocast_the_states_are_in_single_precision(recorder: Recorder) -> None:
    one = layer(0)
    exact = one(inputs(6)).detach().clone()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = one(inputs(6))

    assert states.dtype == torch.float32
    torch.testing.assert_close(states, exact, atol=0.02, rtol=0.02)
    assert len(recorder.shapes) == 1


def test_without_memory_for_a_graph_it_goes_on_without_and_says_so(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = learned([layer(0)], inputs(6))

    def refuse(*_: object) -> Steps:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    one = layer(0)
    with caplog.at_level(logging.WARNING):
        torch.testing.assert_close(learned([one], inputs(6)), expected)
        learned([one], inputs(7))

    assert [record.message for record in caplog.records] == [
        "the GPU has no memory for a graph, so that training takes longer"
    ]


def test_nothing_is_replayed_on_a_cpu() -> None:
    assert not can_replay(inputs(6))
