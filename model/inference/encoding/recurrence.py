"""The multiplicative LSTM for serving: histories on a CPU, by NumPy.

The states are those of `model.network.recurrent.MultiplicativeLSTM`, within rounding. One step of a single user is two
products of a matrix with a vector, which take as long as it takes to read the matrices, and a dozen operations on
short vectors, for which NumPy needs a third of PyTorch's time. So it does for the functions of a step of many users.
"""

from typing import NamedTuple

import numpy as np

from model.network.recurrent import MultiplicativeLSTM
from model.types import FloatArray, IntArray

COLUMNS = 8
"""A product takes as long with 9 columns as with 16: it is computed by so many at once."""


class Trace(NamedTuple):
    """What the layer knew at each time: row t is after t steps, row 0 before the first one.

    Attributes:
        states: shape (time + 1, hidden).
        cells: shape (time + 1, hidden).
    """

    states: FloatArray
    cells: FloatArray


class Pooled(NamedTuple):
    """The states of several histories, each pooled over its steps.

    Attributes:
        last: the state after each one's last step, zeros without steps, shape (users, hidden).
        mean: of each one's states after its steps, likewise.
    """

    last: FloatArray
    mean: FloatArray


class Recurrence:
    """A copy of a layer's weights, as its steps read them.

    They have a row for each output, as in PyTorch, and histories that are read together are columns: a product with few
    columns is faster than one with few rows.

    A sigmoid is a hyperbolic tangent, ``sigmoid(x) = (1 + tanh(x / 2)) / 2``, and NumPy's tanh is its fastest function.
    So the weights of the gates i, f and o are halved here, and one call computes all four gates.
    """

    def __init__(self, layer: MultiplicativeLSTM) -> None:
        hidden = self.hidden = layer.hidden
        weights = {name: parameter.detach().numpy() for name, parameter in layer.named_parameters()}
        halved = np.repeat(np.array([0.5, 1.0], np.float32), [3 * hidden, hidden])
        of_input = np.concatenate([np.ones(hidden, np.float32), halved])
        self.from_input = weights["from_input.weight"] * of_input[:, None]  # (5 hidden, inputs)
        self._input_bias = weights["from_input.bias"] * of_input
        # The bias is one more column: the states have a 1 behind them.
        self._from_state = np.column_stack([weights["from_state.weight"], weights["from_state.bias"]])
        self._from_intermediate = weights["from_intermediate.weight"] * halved[:, None]

    def project(self, inputs: FloatArray) -> FloatArray:
        """What the steps add up from their inputs alone, shape (time, 5 hidden), of inputs (time, inputs)."""
        projected: FloatArray = inputs @ self.from_input.T
        projected += self._input_bias
        return projected

    def read(self, projected: FloatArray, start: tuple[FloatArray, FloatArray] | None = None) -> Trace:
        """States before and after every step of one history, for inputs from `project`.

        It begins with the state and the cell ``start``, each of shape (hidden,), or with zeros.
        """
        hidden, steps = self.hidden, len(projected)
        states = np.zeros((steps + 1, hidden + 1), np.float32)
        states[:, -1] = 1.0
        cells = np.zeros((steps + 1, hidden), np.float32)
        if start is not None:
            states[0, :-1], cells[0] = start
        # All memory of a step and all views of it at once: to make them in every step would take as long as to compute.
        step = np.zeros(5 * hidden, np.float32)  # i, f, o, u, and the cell: (i, f) * (u, cell) are two products in one
        gates, sigmoids, kept, o = (
            step[: 4 * hidden],
            step[: 3 * hidden],
            step[: 2 * hidden],
            step[2 * hidden :][:hidden],
        )
        update_and_cell, cell = step[3 * hidden :], step[4 * hidden :]
        cell[:] = cells[0]
        summands = np.empty(2 * hidden, np.float32)
        written, remembered = summands[:hidden], summands[hidden:]
        intermediate, squashed = np.empty((2, hidden), np.float32)
        halves = np.full(3 * hidden, 0.5, np.float32)
        dot, multiply, add, tanh = np.dot, np.multiply, np.add, np.tanh
        from_state, from_intermediate = self._from_state, self._from_intermediate
        rows = zip(projected[:, :hidden], projected[:, hidden:], states, states[1:, :hidden], cells[1:], strict=False)
        for to_intermediate, to_gates, before, after, kept_cell in rows:
            dot(from_state, before, intermediate)
            multiply(intermediate, to_intermediate, intermediate)  # m_t
            dot(from_intermediate, intermediate, gates)
            add(gates, to_gates, gates)
            tanh(gates, gates)
            multiply(sigmoids, halves, sigmoids)
            add(sigmoids, halves, sigmoids)
            multiply(kept, update_and_cell, summands)
            add(written, remembered, cell)  # c_t
            kept_cell[:] = cell
            tanh(cell, squashed)
            multiply(o, squashed, after)  # h_t
        return Trace(states[:, :hidden], cells)

    def read_together(self, inputs: FloatArray, lengths: IntArray) -> Pooled:
        """Read several histories side by side: each leaves when it ends.

        ``inputs`` have shape (time, users, inputs), ``lengths`` shape (users,); the longest has all steps.
        """
        longest_first = np.argsort(-lengths, kind="stable")
        states, cells, sums = np.zeros((3, self.hidden, len(lengths)), np.float32)
        for step, of_step in enumerate(inputs):
            going_on = int(np.count_nonzero(lengths > step))
            projected = self.from_input @ of_step[longest_first[:going_on]].T
            projected += self._input_bias[:, None]
            self.advance(projected, states[:, :going_on], cells[:, :going_on])
            sums[:, :going_on] += states[:, :going_on]
        last, mean = np.empty((2, len(lengths), self.hidden), np.float32)
        last[longest_first], mean[longest_first] = states.T, sums.T
        mean /= np.maximum(lengths, 1)[:, None]
        return Pooled(last, mean)

    def advance(self, projected: FloatArray, states: FloatArray, cells: FloatArray) -> None:
        """One more step of many histories, in place, for inputs of shape (5 hidden, batch), or (5 hidden, 1) for all.

        ``states`` and ``cells`` have shape (hidden, batch).
        """
        hidden = self.hidden
        intermediate = self._from_state[:, :-1] @ states
        intermediate += self._from_state[:, -1:]
        intermediate *= projected[:hidden]
        gates = self._from_intermediate @ intermediate
        gates += projected[hidden:]
        np.tanh(gates, out=gates)
        sigmoids = gates[: 3 * hidden]
        sigmoids *= 0.5
        sigmoids += 0.5
        i, f, o, update = gates.reshape(4, hidden, -1)
        cells *= f
        update *= i
        cells += update
        np.multiply(o, np.tanh(cells), out=states)

    def without_each(self, projected: FloatArray, whole: Trace, left_out: IntArray) -> FloatArray:
        """The last state of one history without one of its steps, for each of the steps ``left_out``, ascending.

        The states have shape (left out, hidden). Up to the missing step they are those of the ``whole`` history; the
        rests are read together, so that each step reads the weights once for all.
        """
        columns = -(-len(left_out) // COLUMNS) * COLUMNS  # one for each missing step, and some that nobody reads
        states, cells = np.zeros((2, self.hidden, columns), np.float32)
        begun = 0
        for step in range(left_out[0] + 1, len(projected)):
            if begun < len(left_out) and left_out[begun] < step:
                states[:, begun], cells[:, begun] = whole.states[left_out[begun]], whole.cells[left_out[begun]]
                begun += 1
            wide = -(-begun // COLUMNS) * COLUMNS
            self.advance(projected[step][:, None], states[:, :wide], cells[:, :wide])
        if begun < len(left_out):  # the last step of all is missing: nothing follows on it
            states[:, begun] = whole.states[left_out[begun]]
        return np.ascontiguousarray(states[:, : len(left_out)].T)
