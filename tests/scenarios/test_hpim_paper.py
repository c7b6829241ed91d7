"""scripts/reproduce_hpim: its page has every row, and its ratios follow from the results alone."""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from test_runs import FIRST_LIGHT, HPIM_VP, SOURCE, ToolTest

sys.path.insert(0, os.path.join(SOURCE, "scripts"))
from hpim_paper import timeline  # noqa: E402  (the path comes first)

SCRIPT = os.path.join(SOURCE, "scripts", "reproduce_hpim")
PRESETS = os.path.join(SOURCE, "scenarios", "presets")
OPT = ("opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b", "opt-13b", "opt-30b")
OTHERS = ("llama-2-7b", "llama-2-13b", "llama-2-70b", "llama-3.1-8b", "qwen2.5-7b")
A100S = ("a100_hugging_face", "a100_vllm")


def load_commented(path):
    with open(path, encoding="utf-8") as file:
        return json.loads("".join(line for line in file if not line.lstrip().startswith("//")))


def roofline_s(machine, model, prompt, output):
    """First token and mean of the others, written down a second time."""
    value = {key: pair[0] for key, pair in machine.items() if isinstance(pair, list)}
    width = model["hidden"] if model["architecture"] == "llama" else model["embedding"]
    query, kv = (model[heads] * model["head_dim"] for heads in ("heads", "kv_heads"))
    matrices = 3 if model["architecture"] == "llama" else 2
    layers = model["layers"] * model["hidden"] * (2 * query + 2 * kv + matrices * model["ffn"])
    outside = width * model["vocabulary"]
    if width != model["hidden"]:
        outside += 2 * width * model["hidden"]
    launches = (model["layers"] * value["kernels_per_layer"] + value["kernels_per_token"]) * \
        value["kernel_overhead_us"] * 1e-6
    bandwidth, rate = value["memory_gb_per_s"] * 1e9, value["tflops"] * 1e12

    def cache(positions):
        return 4 * model["layers"] * kv * positions

    def decode(positions):
        attention = max(cache(positions) / bandwidth,
                        4 * model["layers"] * query * positions / rate)
        return 2 * (layers + outside) / min(bandwidth, rate) + attention + launches

    work = 2 * layers * prompt + 2 * model["hidden"] * model["vocabulary"] + \
        2 * model["layers"] * query * prompt * (prompt + 1)
    first = max((2 * (layers + outside) + cache(prompt)) / bandwidth, work / rate) + launches
    return first, sum(decode(prompt + i) for i in range(1, output)) / (output - 1)


class HpimPaper(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.out = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.out)
        cls.log = cls.reproduce(cls.out).stderr
        with open(os.path.join(cls.out, "README.md"), encoding="utf-8") as file:
            cls.page = file.read()
        cls.claims = load_commented(os.path.join(SOURCE, "scenarios", "hpim_paper", "claims.json"))

    @staticmethod
    def reproduce(out, *options):
        done = subprocess.run([sys.executable, SCRIPT, "--quick", "--binary", HPIM_VP, "--out", out,
                               *options], capture_output=True, text=True, timeout=500, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return done

    def result(self, name):
        with open(os.path.join(self.out, "runs", name, "result.json"), encoding="utf-8") as file:
            return json.load(file)

    def table(self, title):
        """The rows of the first table of a part, each a list of cells."""
        part = re.split(r"^##+ ", self.page, flags=re.M)
        text = next(one for one in part if one.startswith(title))
        rows = [[cell.strip() for cell in line.strip("| ").split(" | ")]
                for line in text.splitlines() if line.startswith("|")]
        self.assertGreater(len(rows), 2, title)
        return rows[2:]

    def own_s(self, name, key):
        time = self.result(name)["time"]
        first, *others = time["per_token_s"]
        return {"request": first + sum(others), "token": sum(others) / len(others)}[key]

    def ratio(self, name, baseline, key):
        result = self.result(name)
        machine = load_commented(os.path.join(PRESETS, "baselines", baseline + ".json"))
        output = len(result["tokens"])
        first, mean = roofline_s(machine, result["model"], len(result["prompt_tokens"]), output)
        theirs = {"request": first + mean * (output - 1), "token": mean}[key]
        return theirs / self.own_s(name, key)

    def assert_ratio(self, cell, expected):
        self.assertTrue(cell.endswith("x"), cell)
        self.assertAlmostEqual(float(cell[:-1]), expected, delta=0.0051)

    def test_nothing_is_missing(self):
        self.assertNotIn("not run", self.page)
        self.assertNotIn("FAILED", self.log)
        self.assertIn("Made with --quick", self.page)
        for drawing in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", self.page):
            with open(os.path.join(self.out, drawing), encoding="utf-8") as file:
                self.assertIn("</svg>", file.read())

    def test_peak_and_mean(self):
        rows = {(row[0], row[1]): row for row in self.table("Speed-up over an A100")}
        for baseline in A100S:
            ratios = [self.ratio(model, baseline, "request") for model in OPT]
            for what, value in (("peak", max(ratios)), ("mean", sum(ratios) / len(ratios))):
                row = rows[what, baseline]
                self.assert_ratio(row[2], self.claims["a100_" + what])
                self.assert_ratio(row[3], value)
                self.assertAlmostEqual(float(row[4]), value / self.claims["a100_" + what],
                                       delta=0.0051)

    def test_latency_of_every_model_over_both_a100s(self):
        rows = {(row[0], row[1]): row for row in self.table("End-to-end latency")}
        self.assertEqual(set(rows), {(model, one) for model in OPT for one in A100S})
        for (model, baseline), row in rows.items():
            value = self.ratio(model, baseline, "request")
            self.assert_ratio(row[3], value)
            self.assert_ratio(row[5], self.ratio(model, baseline, "token"))
            if model in self.claims["a100_latency"]:
                paper = self.claims["a100_latency"][model]
                self.assertEqual(row[2], f"{paper}x")
                self.assertAlmostEqual(float(row[4]), value / paper, delta=0.0051)
            # The sentence holds for this run: the resource that it names is the largest.
            self.assertRegex(row[6], r"\d+% of a token .* a token is mostly [a-zA-Z ]+ \d+%")

    def test_kinds_of_layers_add_up_to_the_token(self):
        rows = {row[0]: row for row in self.table("OPT-13B by kind of layer")}
        self.assertEqual(set(rows), set(self.claims["opt_13b_ms"]))
        kinds = {"qkv": ("key", "query", "value"), "projection": ("projection",),
                 "feed_forward": ("feed_forward", "activation"), "attention": ("attention",)}
        profile = self.result("opt-13b")["per_token"]
        listed = 0
        for kind, row in rows.items():
            ms = 768e3 * sum(one["critical_s"] + one["critical_issue_s"]
                             for one in profile["operators"] if one["kind"] in kinds[kind])
            self.assertAlmostEqual(float(row[3]), ms, delta=0.51)
            stated = self.claims["opt_13b_ms"][kind]
            self.assertEqual([row[1], row[2]], [str(stated["a100"]), str(stated["hpim"])])
            self.assertAlmostEqual(float(row[4]), ms / float(row[2]), delta=0.0051)
            listed += ms
        rest = float(re.search(r"The rest of the platform's token .* takes (\d+) ms", self.page)[1])
        self.assertAlmostEqual(listed + rest, 768e3 * profile["token_s"], delta=1)

    def test_the_other_machines(self):
        for row in self.table("IANUS"):
            self.assert_ratio(row[2], self.ratio(row[0], "ianus", "request"))
        rows = {row[0]: row for row in self.table("CXL-PNM")}
        self.assertEqual(set(rows), set(OPT))
        for model, row in rows.items():
            self.assert_ratio(row[2], self.ratio(model, "cxl_pnm", "token"))
        self.assertEqual(sum(row[1].startswith("up to") for row in rows.values()), 1)

    def test_sensitivity_compares_with_the_reference(self):
        rows = self.table("Sensitivity")
        reference = self.own_s("short", "token")
        folders = {name for name in os.listdir(os.path.join(self.out, "runs"))
                   if name.startswith("vary_")}
        self.assertEqual(len(rows), len(folders) + 1)
        for row in rows[1:]:
            name = "vary_" + "_".join(re.findall(r"[a-z0-9]+", row[0].lower().replace("'", "")))
            self.assertIn(name, folders)
            self.assertAlmostEqual(float(row[3]), reference / self.own_s(name, "token"),
                                   delta=0.0051)
            self.assertNotEqual(self.result(name)["scenario"]["machine"],
                                self.result("short")["scenario"]["machine"])

    def test_all_presets_overlap_and_assumptions(self):
        rows = {row[0]: row for row in self.table("All models")}
        self.assertEqual(set(rows), set(OPT) | set(OTHERS))
        for model, row in rows.items():
            self.assertAlmostEqual(float(row[2]), self.own_s(model, "token") * 1e3, delta=0.00051)
            self.assertGreater(float(row[7]), 0)
        gain = self.own_s("opt-13b_serial", "token") / self.own_s("opt-13b", "token")
        self.assertIn(f"{gain:.3f} times as fast", self.page)
        sources = {row[0].strip("*"): row for row in self.table("HBM-PIM device")}
        self.assertEqual(sources["hbm.device.parameters.tMAC"][1], "6")
        assumed = {row[0] for row in self.table("Machine, tiles")}
        for name in ("models/sram_pim/tile_config.h: vector_lanes",
                     "models/dma/config.h: decode_cycles", "machine preset: flit_bits"):
            self.assertIn(name, assumed)

    def test_the_drawn_operators_are_those_of_the_run(self):
        with open(os.path.join(self.out, "timeline.svg"), encoding="utf-8") as file:
            text = file.read()
        drawn = {(layer, name) for layer, name in re.findall(r"layer(\d+)\.(\w+)", text)}
        names = {name for _, name in drawn}
        self.assertLessEqual({"key", "query", "value", "attention_keys", "attention_scores",
                              "attention_values", "projection", "up", "down"}, names)
        self.assertEqual(len({layer for layer, _ in drawn}), 2)
        overlaps = {row[0]: float(row[1]) for row in self.table("A token in time")}
        self.assertGreater(overlaps["query and attention_keys"], 0)

    def test_finished_runs_are_not_run_again(self):
        stamp = os.path.getmtime(os.path.join(self.out, "runs", "opt-350m", "result.json"))
        again = self.reproduce(self.out, "--only", "presets", "sensitivity")
        self.assertNotIn("/", again.stderr.replace(self.out, ""))
        self.assertIn("short: finished before", again.stderr)
        self.assertEqual(
            stamp, os.path.getmtime(os.path.join(self.out, "runs", "opt-350m", "result.json")))
        # Without the mark of its end a run is not finished; the mark says what it was a run of.
        mark = os.path.join(self.out, "runs", "short", "run.json")
        os.remove(mark)
        again = self.reproduce(self.out, "--only", "sensitivity")
        self.assertIn("[1/1] short", again.stderr)
        self.assertNotIn("earlier program", self.page)
        with open(mark, encoding="utf-8") as file:
            run = json.load(file)
        with open(mark, "w", encoding="utf-8") as file:
            json.dump({**run, "machine": "another"}, file)
        self.reproduce(self.out, "--no-run")
        with open(os.path.join(self.out, "README.md"), encoding="utf-8") as file:
            self.assertIn("earlier program, preset or scenario: short.", file.read())
        self.assertIn("[1/1] short", self.reproduce(self.out, "--only", "sensitivity").stderr)


class Waveform(ToolTest):
    def test_shows_every_operator_from_its_start_to_its_end(self):
        result = self.run_scenario(FIRST_LIGHT, "wave", "workload.output_tokens=2",
                                   "trace.vcd=true", "trace.stop_us=100000")
        busy_ps = collections.Counter()
        vcd = os.path.join(self.folder, "wave", "trace.vcd")
        for _, operator, start_ps, end_ps in timeline.read_operations(vcd):
            busy_ps[operator] += end_ps - start_ps
        layers = [one for one in result["operators"] if "layer" in one]
        self.assertGreater(len(layers), 20)
        for one in layers:
            self.assertAlmostEqual(busy_ps[one["name"]] * 1e-12, one["busy_s"], delta=1e-12,
                                   msg=one["name"])


if __name__ == "__main__":
    sys.exit(unittest.main())
