"""The recurrent layers that read a rating history."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd

State = tuple[Tensor, Tensor]
"""What a layer knows after a step: the state that it gives, shape (batch, hidden), and what it keeps beside it."""


class RecurrentLayer(Protocol):
    """Reads inputs one after the other, all at once or step by step."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """States after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""

    def start(self, batch: int) -> State:
        """Before the first step."""

    def advance(self, inputs: Tensor, state: State) -> State:
        """After one more step, for inputs of shape (batch, inputs) or (1, inputs), the same for all."""


class MultiplicativeLSTM(nn.Module):
    """Multiplicative LSTM (Krause et al. 2016, "Multiplicative LSTM for sequence modelling").

    An LSTM whose gates read an intermediate state in place of the last hidden one, so that each input chooses
    its own transition (equations 16 to 22)::

        m_t = (W_im x_t + b_im) * (W_hm h_{t-1} + b_hm)
        i, f, o, u = W_x x_t + W_m m_t + b
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(u)
        h_t = sigmoid(o) * tanh(c_t)
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(inputs, 5 * hidden)  # to m, then to i, f, o, u
        self.from_state = nn.Linear(hidden, hidden)
        self.from_intermediate = nn.Linear(hidden, 4 * hidden, bias=False)
        bound = hidden**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        with torch.no_grad():  # begin with a memory that keeps and a transition that passes the input on
            self.from_input.bias[2 * hidden : 3 * hidden].add_(2.0)
            self.from_state.bias.add_(1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        """States after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""
        # Everything that does not depend on the state is computed for all steps at once.
        to_intermediate, to_gates = self.from_input(inputs).split([self.hidden, 4 * self.hidden], dim=-1)
        states: Tensor = _Recurrence.apply(  # type: ignore[no-untyped-call]
            to_intermediate,
            to_gates,
            self.from_state.weight,
            self.from_state.bias,
            self.from_intermediate.weight,
        )
        return states

    def advance(self, inputs: Tensor, state: State) -> State:
        """One step by the same equations, for inputs of shape (batch, inputs); see `RecurrentLayer`."""
        hidden, cell = state
        to_intermediate, to_gates = self.from_input(inputs).split([self.hidden, 4 * self.hidden], dim=-1)
        intermediate = to_intermediate * self.from_state(hidden)
        sigmoids, update = (to_gates + self.from_intermediate(intermediate)).split([3 * self.hidden, self.hidden], -1)
        i, f, o = sigmoids.sigmoid().chunk(3, dim=-1)
        cell = f * cell + i * update.tanh()
        return o * cell.tanh(), cell

    def start(self, batch: int) -> State:
        empty = self.from_state.weight.new_zeros(batch, self.hidden)
        return empty, empty


class _Recurrence(torch.autograd.Function):
    """The steps of the multiplicative LSTM with a backward pass written out.

    The gradients of the weights are one product over all steps instead of one a step, which halves the time of a
    training step on a CPU. Runs in single precision under autocast: the cell adds up over many steps.
    """

    @staticmethod
    @custom_fwd(device_type="cuda", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own context has no public type
        to_intermediate: Tensor,  # (time, batch, hidden)
        to_gates: Tensor,  # (time, batch, 4 hidden)
        state_weight: Tensor,
        state_bias: Tensor,
        gate_weight: Tensor,
    ) -> Tensor:
        time, batch, hidden = to_intermediate.shape
        states, cells = to_gates.new_zeros(2, time + 1, batch, hidden)
        projected, intermediate, squashed = to_gates.new_empty(3, time, batch, hidden)
        gates = to_gates.new_empty(time, batch, 4 * hidden)
        # A view for every step, made at once: for one user, making views step by step takes a third of the time.
        state, cell = states.unbind(), cells.unbind()
        sigmoids = gates[..., : 3 * hidden].unbind()
        i, f, o, update = (part.unbind() for part in gates.chunk(4, dim=-1))
        steps = zip(
            to_intermediate.unbind(),
            to_gates.unbind(),
            projected.unbind(),
            intermediate.unbind(),
            gates.unbind(),
            squashed.unbind(),
            strict=True,
        )
        state_matrix, gate_matrix = state_weight.t(), gate_weight.t()
        for t, (from_input, to_gate, project, mixed, gate, squash) in enumerate(steps):
            torch.addmm(state_bias, state[t], state_matrix, out=project)
            torch.mul(from_input, project, out=mixed)
            torch.addmm(to_gate, mixed, gate_matrix, out=gate)
            sigmoids[t].sigmoid_()
            update[t].tanh_()
            torch.mul(f[t], cell[t], out=cell[t + 1]).addcmul_(i[t], update[t])
            torch.tanh(cell[t + 1], out=squash)
            torch.mul(o[t], squash, out=state[t + 1])
        ctx.save_for_backward(
            to_intermediate,
            state_weight,
            gate_weight,
            states,
            cells,
            projected,
            intermediate,
            squashed,
            gates,
        )
        after_each_step: Tensor = states[1:]
        return after_each_step

    @staticmethod
    @custom_bwd(device_type="cuda")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # noqa: ANN401
        (
            to_intermediate,
            state_weight,
            gate_weight,
            states,
            cells,
            projected,
            intermediate,
            squashed,
            gates,
        ) = ctx.saved_tensors
        time, batch, hidden = to_intermediate.shape
        sigmoids, update = gates.split([3 * hidden, hidden], dim=-1)
        slopes = torch.cat([sigmoids * (1 - sigmoids), 1 - update * update], dim=-1)
        d_gates = torch.empty_like(gates)
        d_intermediate, d_projected = torch.empty_like(projected), torch.empty_like(projected)
        state_to_cell = gates[..., 2 * hidden : 3 * hidden] * (1 - squashed * squashed)
        d_state, d_cell = d_states.new_zeros(2, batch, hidden)
        for t in reversed(range(time)):
            i, f, _, u = gates[t].chunk(4, dim=-1)
            d_i, d_f, d_o, d_u = d_gates[t].chunk(4, dim=-1)
            d_state = d_state + d_states[t]
            d_cell = torch.addcmul(d_cell, d_state, state_to_cell[t])
            torch.mul(d_cell, u, out=d_i)
            torch.mul(d_cell, cells[t], out=d_f)
            torch.mul(d_state, squashed[t], out=d_o)
            torch.mul(d_cell, i, out=d_u)
            d_gates[t] *= slopes[t]
            torch.mm(d_gates[t], gate_weight, out=d_intermediate[t])
            torch.mul(d_intermediate[t], to_intermediate[t], out=d_projected[t])
            d_state = d_projected[t] @ state_weight
            d_cell = d_cell * f
        return (
            d_intermediate * projected,
            d_gates,
            d_projected.flatten(0, 1).t() @ states[:-1].flatten(0, 1),
            d_projected.sum((0, 1)),
            d_gates.flatten(0, 1).t() @ intermediate.flatten(0, 1),
        )


class LSTM(nn.Module):
    """The ordinary LSTM of the paper's SeqRec_LSTM, with the interface of `MultiplicativeLSTM`."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden)

    def forward(self, inputs: Tensor) -> Tensor:
        """States after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""
        if not len(inputs):  # which the library refuses
            return inputs.new_zeros(0, inputs.shape[1], self.lstm.hidden_size)
        states: Tensor = self.lstm(inputs)[0]
        return states

    def start(self, batch: int) -> State:
        empty = next(self.parameters()).new_zeros(batch, self.lstm.hidden_size)
        return empty, empty

    def advance(self, inputs: Tensor, state: State) -> State:
        step = inputs.expand(len(state[0]), -1).unsqueeze(0)
        _, (hidden, cell) = self.lstm(step, tuple(part.unsqueeze(0).contiguous() for part in state))
        return hidden[0], cell[0]


class Bag(nn.Module):
    """No recurrence: the mean of what was read so far, one layer deep; tells what the order of a history is worth."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, hidden)

    def forward(self, inputs: Tensor) -> Tensor:
        """Means after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""
        steps = torch.arange(1, len(inputs) + 1, device=inputs.device).view(-1, 1, 1)
        means: Tensor = torch.tanh(self.layer(inputs)).cumsum(0) / steps
        return means

    def start(self, batch: int) -> State:
        empty = self.layer.weight.new_zeros(batch, self.layer.out_features)
        return empty, empty[:, :1]

    def advance(self, inputs: Tensor, state: State) -> State:
        mean, steps = state
        return mean + (torch.tanh(self.layer(inputs)) - mean) / (steps + 1), steps + 1


RECURRENT: dict[str, type[MultiplicativeLSTM] | type[LSTM] | type[Bag]] = {
    "mlstm": MultiplicativeLSTM,
    "lstm": LSTM,
    "bag": Bag,
}
