#!/usr/bin/env python3
"""Training steps in PyTorch: the networks of `benches/learning/nets.rs`, layer by layer, on as many threads.

    cargo bench --bench main -- learning_step > ours.txt
    python3 benches/peers/learning_speed.py --ours ours.txt [--threads 2] [--seconds 3]

Prints PyTorch's times, and with --ours the ratio Sextans / PyTorch (below 1: Sextans is faster; the bar is 1.3).
A step is forward, backward and Adam. Wall time: fastest of all repeats; CPU time: mean, user and system, all threads.
The fastest repeat is compared with the lower bound that criterion prints. Runs on a busy machine say little: watch the CPU time.
"""

import argparse
import re
import resource
import sys
import time

try:
    import torch
    from torch import nn
except ImportError as error:
    print(f"skipped: {error}; pip install torch")
    sys.exit(0)


def convolution(i, o, k=3, stride=1):
    return nn.Conv2d(i, o, k, stride=stride, padding=(k - 1) // 2)


class Unet2d(nn.Module):
    """64 x 64, 32 filters, batch 8, two levels: strided down, transposed kernels of side 4 up, skips."""

    def __init__(self):
        super().__init__()
        self.first = convolution(1, 32)
        self.down = nn.ModuleList([convolution(32, 64, stride=2), convolution(64, 128, stride=2)])
        self.middle = nn.ModuleList([convolution(64, 64), convolution(128, 128)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(i, o, 4, stride=2, padding=1) for i, o in [(64, 32), (128, 64)]])
        self.after = nn.ModuleList([convolution(64, 32), convolution(128, 64)])
        self.last = convolution(32, 1, 1)
        self.x = torch.rand(8, 1, 64, 64) * 2 - 1

    def forward(self):
        a = self.first(self.x).tanh()
        b = self.middle[0](self.down[0](a).tanh()).tanh()
        c = self.middle[1](self.down[1](b).tanh()).tanh()
        b = self.after[1](torch.cat([self.up[1](c).tanh(), b], 1)).tanh()
        a = self.after[0](torch.cat([self.up[0](b).tanh(), a], 1)).tanh()
        return self.last(a).square().mean()


class Conv3d(nn.Module):
    """32 x 32 x 32, batch 2, four layers of 16 filters 3 x 3 x 3."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv3d(16, 16, 3, padding=1) for _ in range(4)])
        self.x = torch.rand(2, 16, 32, 32, 32) * 2 - 1

    def forward(self):
        x = self.x
        for layer in self.layers:
            x = layer(x).tanh()
        return x.square().mean()


class Gru(nn.Module):
    """Gated recurrent unit with convolutions 3 x 3 for its products."""

    def __init__(self, channels):
        super().__init__()
        self.gates = convolution(2 * channels, 2 * channels)
        self.candidate = convolution(2 * channels, channels)

    def forward(self, x, h):
        z, r = self.gates(torch.cat([x, h], 1)).sigmoid().chunk(2, 1)
        c = self.candidate(torch.cat([x, r * h], 1)).tanh()
        return z * h + (1 - z) * c


class OneGru(nn.Module):
    """One step of a recurrent unit, 64 x 64, 32 + 32 channels, batch 8."""

    def __init__(self):
        super().__init__()
        self.gru = Gru(32)
        self.x, self.h = (torch.rand(8, 32, 64, 64) * 2 - 1 for _ in range(2))

    def forward(self):
        return self.gru(self.x, self.h).square().mean()


class Rim(nn.Module):
    """The recurrent inference machine of the lens study: 64 x 64, 16 filters, four levels, eight recursions."""

    def __init__(self, batch):
        super().__init__()
        widths = [16, 32, 64, 128]
        self.input = convolution(5, 16, 11)
        self.before = nn.ModuleList([convolution(f, f) for f in widths])
        self.units = nn.ModuleList([Gru(f) for f in widths + [256]])
        self.down = nn.ModuleList([convolution(f, 2 * f, stride=2) for f in widths])
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(2 * f, f, 3, stride=2, padding=1, output_padding=1) for f in widths]
        )
        self.after = nn.ModuleList([convolution(2 * f, f) for f in widths])
        self.output = convolution(16, 2, 1)
        self.x = torch.rand(batch, 5, 64, 64) * 2 - 1

    def forward(self):
        hidden = [torch.zeros(len(self.x), 16 << k, 64 >> k, 64 >> k) for k in range(5)]
        state, total = self.x[:, :2], 0.0
        for _ in range(8):
            x = self.input(torch.cat([self.x[:, :3], state], 1)).tanh()
            for k in range(4):
                hidden[k] = self.units[k](self.before[k](x).tanh(), hidden[k])
                x = self.down[k](hidden[k]).tanh()
            x = hidden[4] = self.units[4](x, hidden[4])
            for k in reversed(range(4)):
                x = self.after[k](torch.cat([self.up[k](x).tanh(), hidden[k]], 1)).tanh()
            state = state + self.output(x)
            total = total + state.square().mean()
        return total


NETS = {
    "unet2d": Unet2d,
    "conv3d": Conv3d,
    "gru": OneGru,
    "rim batch 4": lambda: Rim(4),
    "rim batch 8": lambda: Rim(8),
}


def cpu_ms():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return 1e3 * (use.ru_utime + use.ru_stime)


def measure(net, seconds):
    """Fastest wall time and mean CPU time of a step, ms."""
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)

    def step():
        optimiser.zero_grad()
        loss = net()
        loss.backward()
        optimiser.step()
        return loss.item()

    for _ in range(3):
        step()
    fastest, count, start, cpu = float("inf"), 0, time.perf_counter(), cpu_ms()
    while count < 3 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        step()
        fastest = min(fastest, 1e3 * (time.perf_counter() - before))
        count += 1
    return fastest, (cpu_ms() - cpu) / count


def read_ours(path):
    """Lower bound of criterion's `time: [low middle high]` after each `learning_step/NAME kernels`, ms."""
    unit = {"s": 1e3, "ms": 1.0, "µs": 1e-3}
    ours, name = {}, None
    with open(path) as lines:
        for line in lines:
            if found := re.match(r"learning_step/(.*) kernels", line):
                name = found[1]
            if name and (found := re.search(r"time:\s+\[([\d.]+) (\S+)", line)):
                ours[name] = float(found[1]) * unit[found[2]]
                name = None
    return ours


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", help="what the bench printed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each network")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    ours = read_ours(arguments.ours) if arguments.ours else {}
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads")
    for name, make in NETS.items():
        torch.manual_seed(1)
        wall, cpu = measure(make(), arguments.seconds)
        line = f"{name:<12} wall {wall:>8.1f} ms  CPU {cpu:>8.1f} ms"
        if name in ours:
            line += f"   Sextans {ours[name]:>8.1f} ms   ratio {ours[name] / wall:>6.2f}"
        print(line)


if __name__ == "__main__":
    main()
