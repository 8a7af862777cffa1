"""Recurrent layers that read a history.

All have one interface, `RecurrentLayer`. ``forward`` reads whole sequences, for training and for scoring.
``advance`` reads one step, for the explanation of a list, which continues many histories from one common state.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd

from model.network.cuda_graph import can_replay, replayed

State = tuple[Tensor, Tensor]
"""After a step: the layer's output, shape (batch, hidden), and what else the next step needs, as an LSTM's cell."""


class RecurrentLayer(Protocol):
    """Reads a sequence, all at once or step by step."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """States after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""

    def start(self, batch: int) -> State:
        """The state before the first step."""

    def advance(self, inputs: Tensor, state: State) -> State:
        """The state after one more step, for inputs of shape (batch, inputs), or (1, inputs) for the whole batch."""


def last_states(layer: RecurrentLayer, inputs: Tensor, lengths: Tensor) -> Tensor:
    """The output after each sequence's last step, shape (batch, hidden); zeros for a sequence without steps.

    Takes as many steps as there are inputs: a sequence leaves the batch when it ends. No state but the last is kept.
    ``inputs`` have shape (time, batch, inputs), ``lengths`` shape (batch,), on the CPU.
    """
    if len(lengths) == 1 and len(inputs):  # nothing leaves: all at once is faster
        return layer(inputs)[-1]
    steps = torch.arange(len(inputs)).unsqueeze(1)
    going_on = (steps < lengths).sum(1).tolist()  # (time,)
    longest_first = lengths.argsort(descending=True, stable=True).to(inputs.device)
    state = tuple(part.clone() for part in layer.start(len(lengths)))
    for step, count in zip(inputs[:, longest_first].unbind(), going_on, strict=True):
        output, rest = layer.advance(step[:count], (state[0][:count], state[1][:count]))
        state[0][:count], state[1][:count] = output, rest
    return torch.empty_like(state[0]).index_copy_(0, longest_first, state[0])


class MultiplicativeLSTM(nn.Module):
    """Multiplicative LSTM (Krause et al. 2016, "Multiplicative LSTM for sequence modelling").

    An LSTM whose gates read an intermediate state instead of the last hidden state. The intermediate state is the
    hidden state, multiplied by a function of the input: each input has its own transition (equations 16 to 22)::

        m_t = (W_im x_t + b_im) * (W_hm h_{t-1} + b_hm)
        i, f, o, u = W_x x_t + W_m m_t + b
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(u)
        h_t = sigmoid(o) * tanh(c_t)
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        # One matrix for all that depends on the input alone: one large product is faster than five small ones.
        self.from_input = nn.Linear(inputs, 5 * hidden)  # to m, then to i, f, o, u
        self.from_state = nn.Linear(hidden, hidden)
        self.from_intermediate = nn.Linear(hidden, 4 * hidden, bias=False)
        bound = hidden**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        with torch.no_grad():
            # Forget gates start near sigmoid(2) = 0.88, so that the cell remembers and gradients reach early steps. The
            # transition starts near m = W x + b, so that gates depend on the input before the state carries anything.
            self.from_input.bias[2 * hidden : 3 * hidden].add_(2.0)
            self.from_state.bias.add_(1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        """States after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""
        # What does not depend on the state is computed for all steps at once.
        to_intermediate, to_gates = self.from_input(inputs).split([self.hidden, 4 * self.hidden], dim=-1)
        sequences = (to_intermediate, to_gates)
        weights = (self.from_state.weight, self.from_state.bias, self.from_intermediate.weight)
        if can_replay(inputs):
            return replayed(self, _Recurrence.apply, sequences, weights)
        states: Tensor = _Recurrence.apply(*sequences, *weights)  # type: ignore[no-untyped-call]
        return states

    def advance(self, inputs: Tensor, state: State) -> State:
        """One step of the same equations; see `RecurrentLayer`."""
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
    """All steps of the multiplicative LSTM, with an explicit backward pass.

    Automatic differentiation would compute the gradient of each weight matrix step by step. Here it is one product
    over all steps, which halves the time of a training step on a CPU. Under autocast it runs in single precision, since
    rounding errors of the cell add up over many steps.
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
        states, cells = to_gates.new_zeros(2, time + 1, batch, hidden)  # index 0 is the state before the first step
        # Filled step by step and needed by the backward pass: W_hm h + b_hm, the intermediate state m, and tanh(c).
        projected, intermediate, squashed = to_gates.new_empty(3, time, batch, hidden)
        gates = to_gates.new_empty(time, batch, 4 * hidden)
        # All views at once: for a single user, indexing the tensors step by step takes a third of the time.
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
            torch.mul(from_input, project, out=mixed)  # m_t
            torch.addmm(to_gate, mixed, gate_matrix, out=gate)
            sigmoids[t].sigmoid_()  # i, f, o in place, inside ``gates``
            update[t].tanh_()  # u in place
            torch.mul(f[t], cell[t], out=cell[t + 1]).addcmul_(i[t], update[t])  # c_t
            torch.tanh(cell[t + 1], out=squash)
            torch.mul(o[t], squash, out=state[t + 1])  # h_t
        ctx.save_for_backward(
            to_intermediate, state_weight, gate_weight, states, cells, projected, intermediate, squashed, gates
        )
        after_each_step: Tensor = states[1:]
        return after_each_step

    @staticmethod
    @custom_bwd(device_type="cuda")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # noqa: ANN401
        to_intermediate, state_weight, gate_weight, states, cells, projected, intermediate, squashed, gates = (
            ctx.saved_tensors
        )
        time, batch, hidden = to_intermediate.shape
        sigmoids, update = gates.split([3 * hidden, hidden], dim=-1)
        # Derivatives of the activations, from their values: s' = s (1 - s) for a sigmoid, 1 - u^2 for a tanh.
        slopes = torch.cat([sigmoids * (1 - sigmoids), 1 - update * update], dim=-1)  # (time, batch, 4 hidden)
        d_gates = torch.empty_like(gates)
        d_intermediate, d_projected = torch.empty_like(projected), torch.empty_like(projected)
        state_to_cell = gates[..., 2 * hidden : 3 * hidden] * (1 - squashed * squashed)  # dh/dc = o (1 - tanh(c)^2)
        d_state, d_cell = d_states.new_zeros(2, batch, hidden)
        for t in reversed(range(time)):
            i, f, _, u = gates[t].chunk(4, dim=-1)
            d_i, d_f, d_o, d_u = d_gates[t].chunk(4, dim=-1)
            d_state = d_state + d_states[t]  # from step t + 1, and from the loss
            d_cell = torch.addcmul(d_cell, d_state, state_to_cell[t])
            torch.mul(d_cell, u, out=d_i)
            torch.mul(d_cell, cells[t], out=d_f)  # ``cells[t]`` is the cell before step t: the first is that of zeros
            torch.mul(d_state, squashed[t], out=d_o)
            torch.mul(d_cell, i, out=d_u)
            d_gates[t] *= slopes[t]  # through the activations
            torch.mm(d_gates[t], gate_weight, out=d_intermediate[t])
            torch.mul(d_intermediate[t], to_intermediate[t], out=d_projected[t])
            d_state = d_projected[t] @ state_weight
            d_cell = d_cell * f
        # In the order of forward's arguments; for each weight, one product over all steps and the whole batch.
        return (
            d_intermediate * projected,
            d_gates,
            d_projected.flatten(0, 1).t() @ states[:-1].flatten(0, 1),
            d_projected.sum((0, 1)),
            d_gates.flatten(0, 1).t() @ intermediate.flatten(0, 1),
        )


class LSTM(nn.Module):
    """The ordinary LSTM, as in the paper's SeqRec_LSTM; see `RecurrentLayer`."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden)

    def forward(self, inputs: Tensor) -> Tensor:
        """States after every step, shape (time, batch, hidden), for inputs of shape (time, batch, inputs)."""
        if not len(inputs):  # `nn.LSTM` raises an error for a sequence without steps
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
    """No recurrence: the mean of one layer's outputs so far. The baseline that shows what the order of ratings adds."""

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
        mean, steps = state  # (batch, hidden), and the number of steps, (batch, 1)
        return mean + (torch.tanh(self.layer(inputs)) - mean) / (steps + 1), steps + 1


RECURRENT: dict[str, type[MultiplicativeLSTM] | type[LSTM] | type[Bag]] = {
    "mlstm": MultiplicativeLSTM,
    "lstm": LSTM,
    "bag": Bag,
}
