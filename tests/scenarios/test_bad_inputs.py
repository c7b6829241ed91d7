"""Bad scenarios and bad model files: each ends with exit code 2 and an error that names the place."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HPIM_VP = os.environ.get("HPIM_VP", os.path.join(SOURCE, "build", "release", "hpim-vp"))
MODELS = os.path.join(SOURCE, "scenarios", "models", "tale")

GOOD = {
    "machine": "hpim",
    "model": {
        "path": os.path.join(MODELS, "model.bin"),
        "tokenizer": os.path.join(MODELS, "tokenizer.bin"),
    },
    "workload": {"prompt": "Once", "output_tokens": 2},
}


def changed(**members):
    return json.dumps({**GOOD, **members}, indent=1)


# name, text of the scenario, arguments, what the message must contain
BAD_SCENARIOS = [
    ("syntax", '{\n "machine": "hpim",\n "model" {}\n}', [], ["bad.json:3: "]),
    ("empty file", "", [], ["bad.json:1: "]),
    ("not an object", "[1, 2]", [], ["bad.json:1: /: expected an object"]),
    ("unknown key", changed(modle={}), [], ["/modle", "unknown key", "did you mean 'model'?"]),
    ("no machine", '{\n"model": {"path": "x"} }', [], ["'machine' is missing"]),
    ("unknown preset", changed(machine="hpin"), [], ["/machine/preset", "unknown preset 'hpin'",
                                                     "did you mean 'hpim'?"]),
    ("no model", '{"machine": "hpim",\n"workload": {"prompt": "x"}}', [], ["'model' is missing"]),
    ("model without path", changed(model={}), [], ["/model", "path"]),
    ("model with path and preset", changed(model={"path": "x", "preset": "opt-1.3b"}), [],
     ["/model", "either path"]),
    ("no workload", json.dumps({k: GOOD[k] for k in ("machine", "model")}), [],
     ["'workload' is missing"]),
    ("prompt of the wrong type", changed(workload={"prompt": 5}), [],
     ["/workload/prompt", "expected a string, found 5"]),
    ("no output", changed(workload={"prompt": "x", "output_tokens": 0}), [],
     ["/workload/output_tokens", "from 1 to"]),
    ("negative temperature",
     changed(workload={"prompt": "x", "sampling": {"temperature": -1}}), [],
     ["/workload/sampling/temperature", "found -1"]),
    ("top_p above 1", changed(workload={"prompt": "x", "sampling": {"top_p": 1.5}}), [],
     ["/workload/sampling/top_p", "at most 1"]),
    ("unknown data mode", changed(data="functonal"), [],
     ["/data", "did you mean 'functional'?"]),
    ("no stacks", changed(machine={"preset": "hpim", "hbm": {"stacks": 0}}), [],
     ["/machine/hbm/stacks", "found 0"]),
    ("too many tiles", changed(machine={"preset": "hpim", "sram_pim": {"tiles": 65}}), [],
     ["/machine/sram_pim/tiles", "found 65"]),
    ("too many banks in a tile",
     changed(machine={"preset": "hpim", "sram_pim": {"banks": 65}}), [],
     ["/machine/sram_pim", "banks"]),
    ("no port of a stack", changed(machine={"preset": "hpim", "noc": {"stack_ports": 0}}), [],
     ["/machine/noc/stack_ports", "from 1 to", "found 0"]),
    ("more ports of a stack than columns",
     changed(machine={"preset": "hpim", "noc": {"stack_ports": 5, "columns": 4}}), [],
     ["bad.json", "/machine/noc/stack_ports", "5 ports", "it has 4"]),
    ("placement of a port that is not there",
     changed(machine={"preset": "hpim",
                      "noc": {"placement": {"stack0.port9": {"x": 0, "y": 9}}}}), [],
     ["no node 'stack0.port9'"]),
    ("negative energy of a link",
     changed(machine={"preset": "hpim", "noc": {"energy": {"link_pj_per_bit_mm": -0.1}}}), [],
     ["/machine/noc/energy/link_pj_per_bit_mm", "found -0.1"]),
    ("negative energy of a tile",
     changed(machine={"preset": "hpim", "sram_pim": {"energy": {"pim_mac_pj": -1}}}), [],
     ["/machine/sram_pim/energy/pim_mac_pj", "found -1"]),
    ("misspelt deep key", changed(machine={"preset": "hpim", "hbm": {"stcks": 2}}), [],
     ["/machine/hbm/stcks", "did you mean 'stacks'?"]),
    ("unknown device", changed(machine={"preset": "hpim", "hbm": {"device": "hbm3_hpmi"}}), [],
     ["/machine/hbm/device", "unknown preset 'hbm3_hpmi'", "did you mean 'hbm3_hpim'?"]),
    ("device that is no device", changed(machine={"preset": "hpim", "hbm": {"device": 3}}), [],
     ["/machine/hbm/device", "found 3"]),
    ("absent file of a device",
     changed(machine={"preset": "hpim", "hbm": {"device": "absent/device.json"}}), [],
     ["absent/device.json"]),
    ("device with an unknown parameter",
     changed(machine={"preset": "hpim", "hbm": {"device": {"parameters": {"tRPP": 20}}}}), [],
     ["/machine/hbm/device/parameters/tRPP", "did you mean 'tRP'?"]),
    ("override of an unknown parameter", json.dumps(GOOD),
     ["--set", "machine.hbm.device.parameters.tRPP=20"],
     ["/machine/hbm/device/parameters/tRPP", "did you mean 'tRP'?"]),
    ("key of a device outside of it",
     changed(machine={"preset": "hpim", "hbm": {"timing": {"four_activates": 24}}}), [],
     ["/machine/hbm/timing", "unknown key"]),
    ("unknown page policy",
     changed(machine={"preset": "hpim", "hbm": {"controller": {"page_policy": "opn"}}}), [],
     ["/machine/hbm/controller/page_policy", "did you mean 'open'?"]),
    ("controller that drains never",
     changed(machine={"preset": "hpim", "hbm": {"controller": {"drain_to": 60}}}), [],
     ["/machine/hbm/controller", "drain_to"]),
    ("mapping with an unknown field",
     changed(machine={"preset": "hpim", "hbm": {"mapping": "row:bnak:column"}}), [],
     ["/machine/hbm/mapping", "unknown field 'bnak'"]),
    ("mapping that scatters rows",
     changed(machine={"preset": "hpim", "hbm": {
         "mapping": "stack_id:row:bank:column:bank_group:pseudo_channel:channel"}}), [],
     ["hbm.mapping", "most significant"]),
    ("memory error in a stack that is not there",
     changed(machine={"preset": "hpim", "hbm": {"errors": {"list": [{"stack": 4, "gemv": 0}]}}}),
     [], ["/machine/hbm/errors/list/0/stack", "found 4"]),
    ("key given twice", '{ "machine": "hpim",\n "machine": "hpim" }', [],
     ["bad.json:2: /machine", "given twice"]),
    ("override without value", json.dumps(GOOD), ["--set", "machine.hbm.stacks"], ["PATH=VALUE"]),
    ("override with a bad value", json.dumps(GOOD), ["--set", "machine.hbm.stacks=many"],
     ["--set machine.hbm.stacks=many", "/machine/hbm/stacks"]),
    ("preset with functional data", changed(model={"preset": "opt-1.3b"}, data="functional",
                                            workload={"prompt_tokens": 4}), [],
     ["/data", "timing"]),
    ("absent firmware", changed(firmware="absent.elf"), [], ["absent.elf"]),
    ("window that ends before it starts",
     changed(trace={"vcd": True, "start_us": 10, "stop_us": 5}), [], ["/trace/stop_us"]),
    ("waveform of an unknown stack", changed(trace={"vcd": True, "dram": "stack7"}), [],
     ["/trace/dram", "unknown pseudo-channel 'stack7'", "did you mean 'stack"]),
    ("waveform of an unknown pseudo-channel",
     changed(trace={"vcd": True, "dram": ["stack0.pc3", "stack0.p3"]}), [],
     ["/trace/dram/1", "did you mean 'stack0.pc3'?"]),
    ("waveform of a number", json.dumps(GOOD), ["--set", "trace.dram=3"],
     ["/trace/dram", "expected the name of a stack or pseudo-channel, found 3"]),
    ("overlapping blocks",
     changed(machine={"preset": "hpim", "extra_blocks": [
         {"block": "uart16550", "name": "uart1", "address": "0x10001000", "size": "0x1000"}]}), [],
     ["uart1", "system"]),
    ("interrupt used twice",
     changed(machine={"preset": "hpim", "extra_blocks": [
         {"block": "uart16550", "name": "uart1", "address": "0x10009000", "size": "0x1000",
          "interrupt": 2}]}), [],
     ["uart1", "interrupt 2"]),
    ("unknown block",
     changed(machine={"preset": "hpim", "extra_blocks": [
         {"block": "uart16505", "name": "uart1", "address": "0x10009000", "size": "0x1000"}]}), [],
     ["uart16505", "uart16550"]),
]


def good_model():
    with open(os.path.join(MODELS, "model.bin"), "rb") as file:
        return file.read()


def header(*values):
    return struct.pack("<7i", *values)


def llama2c(dim=8, hidden=16, layers=1, heads=2, kv_heads=2, vocab=16, positions=8):
    return header(dim, hidden, layers, heads, kv_heads, vocab, positions)


# name, bytes of the model, what the message must contain
BAD_MODELS = [
    ("empty", lambda: b"", ["bad.bin"]),
    ("header only", lambda: llama2c(), ["bad.bin"]),
    ("truncated weights", lambda: good_model()[:200000], ["bad.bin"]),
    ("trailing bytes", lambda: good_model() + b"\0" * 64, ["bad.bin"]),
    ("zero dimension", lambda: llama2c(dim=0), ["bad.bin", "dim"]),
    ("negative layers", lambda: llama2c(layers=-3), ["bad.bin", "layers"]),
    ("absurd sizes", lambda: header(*[0x7FFFFFFF] * 7), ["bad.bin"]),
    ("heads that do not divide", lambda: llama2c(dim=10, heads=3), ["bad.bin", "heads"]),
    ("KV heads that do not divide", lambda: llama2c(heads=4, kv_heads=3), ["bad.bin", "kv"]),
    ("NaN weights",
     lambda: good_model()[:28] + struct.pack("<f", float("nan")) + good_model()[32:],
     ["bad.bin"]),
    ("weights beyond FP16",
     lambda: good_model()[:28] + struct.pack("<f", 1e9) + good_model()[32:], ["bad.bin"]),
    ("text", lambda: b"this is not a model at all, just some text" * 10, ["bad.bin"]),
]


class BadInput(unittest.TestCase):
    def run_tool(self, arguments, folder):
        return subprocess.run([HPIM_VP, *arguments, "--out", os.path.join(folder, "out")],
                              capture_output=True, text=True, timeout=120, check=False)

    def check(self, result, wanted):
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertIn("error: ", result.stderr)
        self.assertNotIn("terminate called", result.stderr)
        for text in wanted:
            self.assertIn(text.lower(), result.stderr.lower())

    def test_bad_scenarios(self):
        for name, text, arguments, wanted in BAD_SCENARIOS:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "bad.json")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                self.check(self.run_tool(["run", path, *arguments], folder), wanted)

    def test_absent_scenario(self):
        with tempfile.TemporaryDirectory() as folder:
            self.check(self.run_tool(["run", os.path.join(folder, "none.json")], folder),
                       ["none.json", "cannot be opened"])

    def test_bad_models(self):
        for name, data, wanted in BAD_MODELS:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                model = os.path.join(folder, "bad.bin")
                with open(model, "wb") as file:
                    file.write(data())
                scenario = os.path.join(folder, "scenario.json")
                with open(scenario, "w", encoding="utf-8") as file:
                    json.dump({**GOOD, "model": {**GOOD["model"], "path": model}}, file)
                self.check(self.run_tool(["run", scenario], folder), wanted)

    def test_absent_model_and_tokenizer(self):
        for key in ("path", "tokenizer"):
            with self.subTest(key), tempfile.TemporaryDirectory() as folder:
                scenario = os.path.join(folder, "scenario.json")
                with open(scenario, "w", encoding="utf-8") as file:
                    json.dump({**GOOD, "model": {**GOOD["model"], key: "absent.bin"}}, file)
                self.check(self.run_tool(["run", scenario], folder), ["absent.bin"])


if __name__ == "__main__":
    sys.exit(unittest.main())
