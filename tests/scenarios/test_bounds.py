"""Analytical cross-check: no operator is simulated faster than a closed form of what it must at least
do, and without contention none is slower than a stated factor of it.

The closed forms share nothing with the models: bytes over the width of a link, multiplications over
the rate of the units, DRAM rows over the activation limit, latency chains, from the parameters that
presets and docs/scenarios.md state. What they leave out (refresh, waiting for interrupts in a stack,
instructions of the sequencer, hops beyond the first) is what the factors are for."""

import json
import os
import re
import sys
import unittest

from test_runs import SOURCE, ToolTest

PRESETS = os.path.join(SOURCE, "scenarios", "presets")
OPT_1_3B = os.path.join(SOURCE, "scenarios", "opt_1.3b.json")

TILE_NS = 1.25  # the tiles' and the mesh's clock: 800 MHz
FLIT_BYTES, PACKET_BYTES, HOP_CYCLES = 32, 256, 2
CONTROLLER_CYCLES = 13  # of the DRAM clock, from a stack's port to its command bus and back
SETUP_NS = 8 * TILE_NS  # of a tile's transfer, before it is on the mesh
LANES, SPECIAL_LANES, VECTOR_LATENCY, REDUCTION_LATENCY = 64, 16, 4, 12
MACS_A_CYCLE = 16 * 8  # of a tile's in-array unit

# Simulated time over the bound at most, where nothing else is at work.
FACTORS = {
    "embedding": 2,     # one row of DRAM: what the bound leaves out of its opening
    "position": 2,
    "gemv": 1.5,        # of one stack: refresh, modes, distances
    "norm": 2,          # the weights' way from HBM
    "activation": 2,
    "residual": 3,
    "attention_keys": 3,    # a few hundred bytes: latencies only
    "attention_scores": 2,
    "attention_values": 2,
}


LAYERS = 24  # OPT-1.3B
SHAPES = {  # inputs, outputs, bias
    "query": (2048, 2048, True), "key": (2048, 2048, True), "value": (2048, 2048, True),
    "projection": (2048, 2048, True), "up": (2048, 8192, True), "down": (8192, 2048, True),
    "classifier": (2048, 50272, False),
}


def load_json(path):
    """JSON with comments that take the rest of a line after blanks."""
    with open(path, encoding="utf-8") as file:
        return json.loads(re.sub(r"(^|\s)//[^\n]*", "", file.read()))


def merged(base, change):
    for key, value in change.items():
        base[key] = merged(base.get(key, {}), value) if isinstance(value, dict) else value
    return base


class Device:
    """A DRAM device preset with its bases, numbers only."""

    def __init__(self, name):
        chain = []
        file = name + ".json"
        while file:
            part = load_json(os.path.join(PRESETS, "hbm", file))
            chain.append(part)
            file = part.get("base")
        whole = {}
        for part in reversed(chain):
            merged(whole, part)
        number = lambda value: value[0] if isinstance(value, list) else value
        self.organisation = {k: number(v) for k, v in whole["organisation"].items()}
        self.pim = {k: number(v) for k, v in whole["pim"].items()}
        self.clock_ns = number(whole["clock_period_ps"]) / 1000
        expressions = {k: number(v) for k, v in whole["parameters"].items()}
        org = self.organisation
        self.banks = org["stack_ids"] * org["bank_groups"] * org["banks_per_group"]
        self.pseudo_channels = org["channels"] * org["pseudo_channels_per_channel"]

        def value(name):
            text = str(expressions[name])
            names = re.findall(r"[A-Za-z]\w*", text)
            scope = {n: self.banks if n == "banks" else value(n) for n in names}
            return eval(text, {"__builtins__": {}}, scope)  # pylint: disable=eval-used
        self.parameter = {k: value(k) for k in expressions}

    def read_ns(self, channel_bytes=0):
        """From a read's arrival at the stack to its last data, the row open and nothing waiting, if
        a pseudo-channel has so many of the bytes (at least a burst)."""
        p = self.parameter
        bursts = max(1, ceil(channel_bytes, self.organisation["burst_bytes"]))
        return (CONTROLLER_CYCLES + p["tRL"] + p["tBL"] + (bursts - 1) * p["tCCDS"]) * self.clock_ns

    def gemv_ns(self, inputs, outputs, slicing):
        """The busiest pseudo-channel of a stack: rows opened, columns streamed, results read."""
        p = self.parameter
        chunks = ceil(inputs, 16)
        slots = ceil(outputs, self.banks)
        if slicing == "rows":
            slots = ceil(slots, self.pseudo_channels)
        else:
            chunks = ceil(chunks, self.pseudo_channels)
        columns = slots * chunks
        rows = ceil(columns, self.organisation["columns"])
        groups = ceil(self.banks, self.pim["banks_per_activate_group"])
        windows = ceil(groups, self.pim["activate_groups_per_window"])
        open_row = (windows - 1) * p["tFAWAB"] + p["tRCDMAC"]
        result_bursts = ceil(self.banks * self.pim["result_bytes"],
                             self.organisation["burst_bytes"])
        read_out = slots * (p["tMACL"] + result_bursts * p["tRDMAC"])
        cycles = (rows * open_row + (rows - 1) * p["tRP"] + columns * p["tMAC"] + read_out +
                  p["tPIMIN"] + p["tPIMOUT"])
        return cycles * self.clock_ns


def ceil(value, divisor):
    return -(-value // divisor)


def flits(payload):
    return ceil(payload, FLIT_BYTES) + max(1, ceil(payload, PACKET_BYTES))


def link_ns(payload, messages=1):
    """`messages` of equal size one after the other through one link."""
    return messages * flits(payload) * TILE_NS


TRIP_NS = 3 * HOP_CYCLES * TILE_NS  # a header over injection, one mesh link, ejection


def passes(elements, lanes=LANES):
    return ceil(elements, lanes)


class Bounds(ToolTest):
    def profile(self, name, *settings):
        self.result_of_run = self.run_scenario(OPT_1_3B, name, "schedule.policy=serial",
                                               "workload.output_tokens=3", *settings)
        return {one["operator"]: one for one in self.result_of_run["per_token"]["operators"]}

    def mapping(self, *settings):
        words = [word for setting in settings for word in ("--set", setting)]
        done = self.tool("describe", OPT_1_3B, "--plan", "--json", "--layer", "1", *words)
        return json.loads(done.stdout)

    def check(self, name, simulated_ns, bound_ns, factor=None):
        ratio = simulated_ns / bound_ns
        print(f"{name}: {simulated_ns:.1f} ns, at least {bound_ns:.1f} ns: factor {ratio:.2f}")
        self.assertGreaterEqual(ratio, 1, f"{name}: {simulated_ns} ns are less than {bound_ns} ns")
        if factor is not None:
            self.assertLessEqual(ratio, factor, name)

    def check_gemvs(self, device, stacks, shapes, *settings, factor=None):
        settings = (*settings, f"machine.hbm.stacks={stacks}", "workload.prompt_tokens=1")
        profile = self.profile("gemv", *settings)
        plan = self.mapping(*settings)
        mapping = {one["operator"].split(".")[-1]: one for one in plan["mapping"]["operators"]}
        for name, (inputs, outputs, bias) in shapes.items():
            per_stack = ceil(ceil(outputs, device.banks), stacks) * device.banks
            last = outputs - (stacks - 1) * per_stack  # what the last stack has, at most the others'
            count = LAYERS if name != "classifier" else 1
            # Every stack gets the input over the home tile's link, computes, and sends its results.
            bound = (2 * TRIP_NS + link_ns(inputs * 2, stacks) +
                     device.gemv_ns(inputs, last, mapping[name]["slicing"]) + TRIP_NS +
                     link_ns(last * 2))
            # A stack's own memory is behind its own port: no mesh for the bias if it is alone.
            if bias:
                bound += device.read_ns()
            self.check(f"{name} on {stacks} stacks, {mapping[name]['slicing']}",
                       profile[name]["span_s"] * 1e9 / count, bound, factor)

    def test_gemvs(self):
        device = Device("hbm3_hpim")
        for slicing in ("rows", "columns"):
            self.check_gemvs(device, 1, SHAPES, "mapping.qkv=" + slicing, factor=FACTORS["gemv"])
        # Stacks share the home tile's link and are started one after the other: no factor.
        self.check_gemvs(device, 4, SHAPES)

    def test_gemvs_of_another_device_and_number_of_stacks(self):
        for stacks in (1, 2):
            self.check_gemvs(Device("hbm3_attacc"), stacks, SHAPES,
                             "machine.hbm.device=hbm3_attacc",
                             factor=FACTORS["gemv"] if stacks == 1 else None)

    def test_lookups_norms_and_activation(self):
        profile = self.profile("vectors", "workload.prompt_tokens=1")
        row = 2048 * 2
        device = Device("hbm3_hpim")
        # By the machine's mapping, a pseudo-channel has rows of tables in one piece.
        copy = 2 * TRIP_NS + device.read_ns(row) + link_ns(row) + TRIP_NS + link_ns(row)
        for name in ("embedding", "position"):
            self.check(name, profile[name]["span_s"] * 1e9, copy, FACTORS[name])
        # Layer norm: sum of the residual, mean, difference, squares, two products' passes.
        vector = (6 * passes(2048) + 2 * REDUCTION_LATENCY + 4 * VECTOR_LATENCY) * TILE_NS
        # Weight and bias; of each, two pseudo-channels have a half.
        arrive = TRIP_NS * 2 + device.read_ns(row // 2) + link_ns(row, 2)
        for name, count in (("attention_norm", LAYERS), ("ffn_norm", LAYERS), ("final_norm", 1)):
            # The last two passes need what arrives.
            bound = max(vector, arrive + (2 * passes(2048) + VECTOR_LATENCY) * TILE_NS)
            self.check(name, profile[name]["span_s"] * 1e9 / count, bound, FACTORS["norm"])
        part = 8192 // 32
        # The home tile's own slice needs no mesh.
        bound = (2 * TRIP_NS + link_ns(part * 2, 31) +
                 (passes(part) + VECTOR_LATENCY) * TILE_NS + TRIP_NS + link_ns(part * 2))
        self.check("activation", profile["activation"]["span_s"] * 1e9 / LAYERS, bound,
                   FACTORS["activation"])

    def test_a_sum(self):
        profile = self.profile("sum", "model.preset=opt-350m", "workload.prompt_tokens=1")
        bound = (passes(1024) + VECTOR_LATENCY) * TILE_NS
        self.check("embedding_sum", profile["embedding_sum"]["span_s"] * 1e9, bound,
                   FACTORS["residual"])

    def attention_bounds(self, heads_a_tile, context, tiles, ports):
        """Of attention on `tiles`, each with some heads of 64 elements and FP16."""
        head = 64 * 2
        # The keys of a head in a block are in one pseudo-channel, by the machine's mapping.
        block = SETUP_NS + 2 * TRIP_NS + Device("hbm3_hpim").read_ns(head * 64)
        stream = heads_a_tile * (ceil(context, 64) * block + link_ns(head * context))
        # A block lies in one stack, consecutive ones in consecutive stacks, and the first one's stack
        # is another one in the next layer. With one port a stack all its blocks go over that port's
        # link; with more, those of the two stacks above (or below) the tiles share one link in each
        # column. Tiles begin with different blocks, so all links can be busy at once.
        blocks = context // 64
        if ports == 1:
            blocks_a_link = ceil(blocks, 4)
        else:
            above = [sum((layer + i) % 4 < 2 for i in range(blocks)) for layer in range(4)]
            blocks_a_link = sum(max(n, blocks - n) for n in above) / 4
        link = blocks_a_link * link_ns(head * 64, heads_a_tile * ceil(tiles, ports))
        macs = heads_a_tile * ceil(context * 64, MACS_A_CYCLE) * TILE_NS
        exponentials = heads_a_tile * passes(context, SPECIAL_LANES) * TILE_NS
        # A head's key comes from the home tile (which is the only one if there is one) and goes to
        # the stack, acknowledged, before the next.
        fetch = SETUP_NS + (link_ns(head, tiles - 1) if tiles > 1 else 0)
        store = SETUP_NS + 2 * TRIP_NS + link_ns(head)
        return {
            "attention_keys": heads_a_tile * (fetch + store),
            "attention_scores": max(stream, macs, link) + exponentials,
            "attention_values": max(stream, macs, link) + 2 * TRIP_NS,
        }

    def test_attention(self):
        context = 128
        for tiles, ports in ((1, 8), (32, 8), (32, 1)):
            settings = (f"machine.sram_pim.tiles={tiles}", f"workload.prompt_tokens={context}",
                        f"machine.noc.stack_ports={ports}")
            profile = self.profile("attention", *settings)
            bounds = self.attention_bounds(32 // tiles, context, tiles, ports)
            for name, bound in bounds.items():
                self.check(f"{name}, {tiles} tiles, {ports} ports",
                           profile[name]["span_s"] * 1e9 / LAYERS, bound, FACTORS[name])


if __name__ == "__main__":
    sys.exit(unittest.main())
