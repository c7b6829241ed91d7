"""Runs of scenarios from the command line: what a user does, and what the results promise."""

import bisect
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HPIM_VP = os.environ.get("HPIM_VP", os.path.join(SOURCE, "build", "release", "hpim-vp"))
FIRST_LIGHT = os.path.join(SOURCE, "scenarios", "first_light.json")
OPT_1_3B = os.path.join(SOURCE, "scenarios", "opt_1.3b.json")


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def tool(self, *arguments, exit_code=0):
        done = subprocess.run([HPIM_VP, *arguments], capture_output=True, text=True, timeout=500,
                              check=False, cwd=self.folder)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done

    def run_scenario(self, scenario, name, *settings):
        out = os.path.join(self.folder, name)
        words = [word for setting in settings for word in ("--set", setting)]
        self.tool("run", scenario, "--quiet", "--out", out, *words)
        return self.result(out)

    @staticmethod
    def result(out):
        with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
            return json.load(file)


def without_host(result):
    return {key: value for key, value in result.items() if key != "host"}


class FirstLight(ToolTest):
    def test_prints_a_story_and_writes_a_result(self):
        done = self.tool("run", FIRST_LIGHT)
        result = self.result(os.path.join(self.folder, "out", "first_light"))
        self.assertEqual(result["status"], "done")
        self.assertTrue(result["text"].startswith("Once upon a time"))
        self.assertIn(result["text"].strip(), done.stdout)
        self.assertGreater(len(result["text"].split()), 50)
        self.assertEqual(len(result["tokens"]), len(result["time"]["per_token_s"]))
        self.assertGreater(result["time"]["total_cycles"], 0)
        self.assertGreater(result["time"]["first_token_s"], 0)
        self.assertGreater(result["firmware"]["instructions"], 0)
        self.assertGreater(result["host"]["wall_s"], 0)
        self.assertEqual(result["scenario"]["machine"]["hbm"]["stacks"], 4)

    def test_two_runs_differ_in_host_time_only(self):
        settings = ["workload.output_tokens=16", "workload.sampling.temperature=0.8"]
        first = self.run_scenario(FIRST_LIGHT, "a", *settings)
        second = self.run_scenario(FIRST_LIGHT, "b", *settings)
        self.assertEqual(json.dumps(without_host(first)), json.dumps(without_host(second)))

    def test_the_seed_changes_a_sampled_text(self):
        settings = ["workload.output_tokens=24", "workload.sampling.temperature=1"]
        texts = {self.run_scenario(FIRST_LIGHT, str(seed), *settings,
                                   f"workload.sampling.seed={seed}")["text"] for seed in range(4)}
        self.assertGreater(len(texts), 1)

    def test_fewer_parts_give_the_same_text(self):
        settings = "workload.output_tokens=24"
        full = self.run_scenario(FIRST_LIGHT, "full", settings)
        # Stacks, tiles and virtual channels more than this small model can use cost it nothing, but
        # narrower links always do.
        narrow = "machine.noc.flit_bits=64"
        for setting in ("machine.hbm.stacks=1", "machine.sram_pim.tiles=1",
                        "machine.sram_pim.tiles=5", "machine.noc.virtual_channels=1", narrow):
            with self.subTest(setting):
                less = self.run_scenario(FIRST_LIGHT, "less", settings, setting)
                self.assertEqual(less["text"], full["text"])
                if setting == narrow:
                    self.assertGreater(less["time"]["total_cycles"], full["time"]["total_cycles"])

    def test_ports_of_stacks_change_times_and_links_but_no_text(self):
        settings = "workload.output_tokens=24"
        one, two, eight = (self.run_scenario(FIRST_LIGHT, f"{ports}", settings,
                                             f"machine.noc.stack_ports={ports}")
                           for ports in (1, 2, 8))
        self.assertEqual(one["text"], two["text"])
        self.assertEqual(one["text"], eight["text"])
        self.assertEqual(len({run["time"]["total_cycles"] for run in (one, two, eight)}), 3)
        # The same flits, over several links into the mesh.
        for stack in range(4):
            alone = one["components"]["noc"][f"stack{stack}_injection_busy_cycles"]
            ports = [eight["components"]["noc"][f"stack{stack}.port{port}_injection_busy_cycles"]
                     for port in range(8)]
            self.assertEqual(sum(ports), alone)
            self.assertLess(max(ports), alone)
        # Where a link's width matters, several are faster. (The small model's transfers are so short
        # that distances decide.)
        large = ("workload.prompt_tokens=4", "workload.output_tokens=4")
        slow, fast = (self.run_scenario(OPT_1_3B, f"large{ports}", *large,
                                        f"machine.noc.stack_ports={ports}") for ports in (1, 8))
        self.assertLess(fast["time"]["total_cycles"], slow["time"]["total_cycles"])

    def test_the_mesh_uses_energy_for_each_flit_in_routers_and_links(self):
        settings = ("workload.output_tokens=2", "machine.noc.energy.hop_mm=3")
        result = self.run_scenario(FIRST_LIGHT, "mesh", *settings)
        joules = {"router": 0, "link": 0}
        for link in result["links"]:
            if link["name"].endswith("_ejection"):
                continue
            joules["router"] += link["flits"] * 256 * 0.019e-12
            if not link["name"].endswith("_injection"):
                joules["link"] += link["flits"] * 256 * 0.1e-12 * 3
        energy = result["energy"]["components"]["noc"]
        for use, expected in joules.items():
            self.assertGreater(expected, 0)
            self.assertAlmostEqual(energy[use + "_j"] / expected, 1, delta=1e-9)


class Modes(ToolTest):
    def compare(self, *settings):
        free = self.run_scenario(FIRST_LIGHT, "free", *settings)
        replay = "workload.replay_tokens=" + json.dumps(free["tokens"])
        functional = self.run_scenario(FIRST_LIGHT, "functional", *settings, replay)
        timing = self.run_scenario(FIRST_LIGHT, "timing", *settings, replay, "data=timing")
        self.assertEqual(functional["text"], free["text"])
        self.assertEqual(timing["text"], free["text"])
        # With the same tokens the firmware takes the same path, and nothing else tells the modes apart.
        self.assertEqual(functional["time"], timing["time"])
        self.assertEqual(functional["operators"], timing["operators"])
        self.assertEqual(functional["firmware"], timing["firmware"])
        ratio = free["time"]["total_cycles"] / timing["time"]["total_cycles"]
        # Without replay the firmware takes another path to a token: nanoseconds, which shift the token
        # against the DRAM's refresh, and that is worth a microsecond of 80 now and then.
        self.assertAlmostEqual(ratio, 1, delta=0.005)

    def test_functional_and_timing_take_the_same_cycles(self):
        self.compare("workload.output_tokens=40")

    def run_both_modes_with_errors(self, errors, exit_code):
        tokens = self.run_scenario(FIRST_LIGHT, "free", "workload.output_tokens=6")["tokens"]
        runs = []
        for data in ("functional", "timing"):
            out = os.path.join(self.folder, data)
            self.tool("run", FIRST_LIGHT, "--quiet", "--out", out,
                      "--set", "workload.output_tokens=6", "--set", "data=" + data,
                      "--set", "workload.replay_tokens=" + json.dumps(tokens),
                      "--set", "machine.hbm.errors=" + json.dumps(errors), exit_code=exit_code)
            runs.append(self.result(out))
        functional, timing = runs
        for stack in ("stack0", "stack1", "stack2", "stack3"):
            for key in ("ecc_corrected", "ecc_uncorrected"):
                self.assertEqual(functional["components"][stack][key],
                                 timing["components"][stack][key])
        for key in ("status", "text", "diagnostics", "time"):
            self.assertEqual(functional[key], timing[key])
        return timing

    def test_random_memory_errors_are_corrected_alike(self):
        # Nothing is in the cells in timing mode, but which of them are wrong is known.
        errors = {"seed": 5, "rate": 1e6, "transient_share": 0.5}
        result = self.run_both_modes_with_errors(errors, exit_code=0)
        self.assertGreater(result["components"]["stack0"]["ecc_corrected"], 100)
        self.assertIn("words that on-die ECC corrected", " ".join(result["diagnostics"]))

    def test_random_memory_errors_stop_a_run_alike(self):
        errors = {"seed": 6, "rate": 1e6, "double_share": 0.1, "transient_share": 0.5}
        result = self.run_both_modes_with_errors(errors, exit_code=1)
        self.assertEqual(result["status"], "firmware_error")
        self.assertIn("uncorrectable memory error", result["text"])

    def test_so_they_do_on_another_machine(self):
        self.compare("workload.output_tokens=20", "machine.hbm.stacks=2", "machine.sram_pim.tiles=3",
                     "machine.hbm.device=hbm3_attacc", "machine.host.quantum_us=10")


class Tiles(ToolTest):
    def test_the_watchdog_names_tile_place_instruction_and_operator(self):
        for limit in ("max_cycles=300", "max_instructions=50"):
            with self.subTest(limit):
                out = os.path.join(self.folder, "stopped")
                done = self.tool("run", FIRST_LIGHT, "--quiet", "--out", out,
                                 "--set", "machine.sram_pim." + limit, exit_code=1)
                self.assertRegex(done.stderr, r"tile \d+ stopped at 0x[0-9a-f]+ \([a-z].*\): "
                                              r"WATCHDOG 0x[0-9a-f]+, in operator \d+ \".+\" of layer 0")
                result = self.result(out)
                self.assertEqual(result["status"], "firmware_error")
                self.assertIn("WATCHDOG", result["diagnostics"][0])
                self.assertIn("trap WATCHDOG at program counter", result["text"])

    def test_what_tiles_did_and_used_adds_up(self):
        result = self.run_scenario(FIRST_LIGHT, "tiles", "workload.output_tokens=8")
        energy = result["energy"]["components"]
        for name, tile in result["components"].items():
            if not re.fullmatch(r"tile\d+", name):
                continue
            self.assertEqual(tile["wait_cycles"],
                             tile["sync_wait_cycles"] + tile["unit_busy_wait_cycles"] +
                             tile["transfer_wait_cycles"])
            for unit in ("vector", "pim", "tcu", "transpose", "transfer"):
                self.assertLessEqual(tile[unit + "_cycles"], tile["cycles"])
            picojoules = {
                "tcu": 0.32 * tile["tcu_macs"],
                "pim": 0.067 * tile["pim_macs"],
                "vector": 0.34 * (tile["vector_elements"] - tile["special_elements"]),
                "special": 3.4 * tile["special_elements"],
                "sram_read": 0.14 * 8 * tile["sram_read_bytes"],
                "sram_write": 0.14 * 8 * tile["sram_write_bytes"],
                "control": 6 * tile["instructions"],
            }
            for use, value in picojoules.items():
                self.assertAlmostEqual(energy[name][use + "_j"], value * 1e-12, delta=1e-15 + value * 1e-18)
            self.assertAlmostEqual(energy[name]["total_j"], sum(picojoules.values()) * 1e-12,
                                   delta=1e-15 + sum(picojoules.values()) * 1e-18)
        self.assertGreater(result["components"]["tile0"]["pim_macs"], 0)
        self.assertGreater(energy["tile0"]["total_j"], 0)

    def test_fewer_banks_cost_time_and_no_bit(self):
        settings = ("workload.output_tokens=8", "data=functional")
        many = self.run_scenario(FIRST_LIGHT, "many", *settings)
        few = self.run_scenario(FIRST_LIGHT, "few", *settings, "machine.sram_pim.banks=1",
                                "machine.sram_pim.bank_port_bytes=16")
        self.assertEqual(many["text"], few["text"])
        self.assertGreater(few["components"]["tile0"]["port_conflict_cycles"],
                           many["components"]["tile0"]["port_conflict_cycles"])
        self.assertGreater(few["time"]["total_cycles"], many["time"]["total_cycles"])


class Dram(ToolTest):
    def run_checked(self, device):
        out = os.path.join(self.folder, device)
        self.tool("run", FIRST_LIGHT, "--quiet", "--out", out, "--check-dram", "--trace-dram",
                  "--set", "workload.output_tokens=8", "--set", "machine.hbm.device=" + device)
        return self.result(out), out

    def test_the_checker_finds_nothing_and_changes_nothing(self):
        for device in ("hbm3_hpim", "hbm3_6400", "hbm3_attacc_power", "hbm2_samsung_pim"):
            checked, out = self.run_checked(device)
            self.assertEqual(checked["dram_check"]["violations"], 0, device)
            self.assertGreater(checked["dram_check"]["commands"], 10_000)
            with open(os.path.join(out, "dram_commands.csv"), encoding="utf-8") as file:
                self.assertEqual(sum(1 for _ in file), checked["dram_check"]["commands"] + 1)
            free = self.run_scenario(FIRST_LIGHT, "free", "workload.output_tokens=8",
                                     "machine.hbm.device=" + device)
            # Observed stacks issue every command, others compute ahead: the same machine.
            del checked["dram_check"]
            self.assertEqual(json.dumps(without_host(checked)), json.dumps(without_host(free)), device)

    def run_with_errors(self, errors, exit_code=0):
        out = os.path.join(self.folder, "errors")
        done = self.tool("run", FIRST_LIGHT, "--quiet", "--out", out,
                         "--set", "workload.output_tokens=12",
                         "--set", "machine.hbm.errors=" + json.dumps({"list": errors}),
                         exit_code=exit_code)
        return self.result(out), done

    def test_memory_errors_are_corrected_retried_or_stop_the_run(self):
        clean, _ = self.run_with_errors([])
        single, _ = self.run_with_errors([{"stack": 1, "gemv": 5, "bits": 1, "kind": "stored"}])
        self.assertEqual(single["text"], clean["text"])
        self.assertGreater(single["components"]["stack1"]["ecc_corrected"], 0)
        retried, _ = self.run_with_errors([{"stack": 1, "gemv": 5, "bits": 2, "kind": "transient"}])
        self.assertEqual(retried["text"], clean["text"])
        self.assertEqual(retried["components"]["stack1"]["ecc_uncorrected"], 1)
        stopped, _ = self.run_with_errors([{"stack": 1, "gemv": 5, "bits": 2, "kind": "stored"}],
                                          exit_code=1)
        self.assertEqual(stopped["status"], "firmware_error")
        self.assertIn("UNCORRECTABLE_ERROR", stopped["text"])
        self.assertIn("stack 1", stopped["text"])


class Presets(ToolTest):
    def check_large_model(self, scenario):
        result = self.run_scenario(os.path.join(SOURCE, "scenarios", scenario), "large")
        self.assertEqual(result["status"], "done")
        self.assertEqual(len(result["tokens"]), 32)
        self.assertLess(result["host"]["peak_memory_bytes"], 1 << 30)
        print(f"{scenario}: {result['time']['mean_token_s'] * 1e3:.3f} ms a token, "
              f"{result['host']['wall_s']:.2f} s and "
              f"{result['host']['peak_memory_bytes'] >> 20} MiB on the host")

    def test_opt_1_3b(self):
        self.check_large_model("opt_1.3b.json")

    def test_llama_2_7b(self):
        self.check_large_model("llama2_7b.json")

    def test_every_preset_validates_and_runs(self):
        folder = os.path.join(SOURCE, "scenarios", "presets", "models")
        names = sorted(os.path.splitext(name)[0] for name in os.listdir(folder))
        self.assertGreaterEqual(len(names), 11)
        for name in names:
            # 69 billion FP16 parameters are more than four stacks hold.
            stacks = 8 if name == "llama-2-70b" else 4
            with self.subTest(name):
                result = self.run_scenario(os.path.join(SOURCE, "scenarios", "opt_1.3b.json"), name,
                                           f"model.preset={name}", "workload.prompt_tokens=1",
                                           "workload.output_tokens=1",
                                           f"machine.hbm.stacks={stacks}")
                self.assertEqual(result["status"], "done")


class Commands(ToolTest):
    def test_describe_shows_what_the_overrides_change(self):
        done = self.tool("describe", FIRST_LIGHT, "--json", "--set", "machine.hbm.stacks=2")
        description = json.loads(done.stdout)
        names = [entry["name"] for entry in description["memory_map"]]
        self.assertIn("stack1 memory", names)
        self.assertNotIn("stack2 memory", names)
        self.assertEqual(description["capacities"]["hbm_device"], "hbm3_hpim")
        other = json.loads(self.tool("describe", FIRST_LIGHT, "--json", "--set",
                                     "machine.hbm.device=hbm3_attacc", "--set",
                                     "machine.hbm.device.organisation.rows=8192").stdout)
        self.assertEqual(other["capacities"]["hbm_device"], "hbm3_attacc")
        self.assertEqual(other["capacities"]["hbm_stack_bytes"], 8 << 30)
        text = self.tool("describe", FIRST_LIGHT).stdout
        for word in ("memory_map", "interrupts", "clocks", "capacities", "kv_blocks_available"):
            self.assertIn(word, text)

    def test_validate(self):
        self.assertIn("valid", self.tool("validate", FIRST_LIGHT).stdout)

    def test_sweep_and_report(self):
        self.tool("sweep", FIRST_LIGHT, "--vary", "machine.hbm.stacks=1,2", "--out", "sweep",
                  "--set", "workload.output_tokens=4")
        with open(os.path.join(self.folder, "sweep", "sweep.csv"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertTrue(lines[0].startswith("machine.hbm.stacks,"))
        self.assertEqual([line.split(",")[0] for line in lines[1:]], ["1", "2"])
        table = self.tool("report", "sweep/run_0000", "sweep/run_0001").stdout
        self.assertIn("sweep/run_0001", table)

    def test_report_compares_with_published_machines(self):
        out = os.path.join(self.folder, "run")
        result = self.run_scenario(FIRST_LIGHT, "run", "workload.output_tokens=4")
        table = self.tool("report", out, "--baseline", "all").stdout
        rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line.strip()}
        for name in ("a100_hugging_face", "a100_vllm", "cxl_pnm", "ianus"):
            self.assertIn(name, rows)
        # 40 kernels a layer and 10 more, 12.5 us each; reading the weights takes some microseconds.
        launches_ms = (result["model"]["layers"] * 40 + 10) * 12.5e-3
        mean_ms, ratio = float(rows["a100_hugging_face"][2]), float(rows["a100_hugging_face"][3])
        self.assertAlmostEqual(mean_ms, launches_ms, delta=0.01)
        self.assertAlmostEqual(ratio, mean_ms * 1e-3 / result["time"]["mean_token_s"], delta=0.02)
        one = self.tool("report", "--baseline", "ianus", out).stdout
        self.assertIn("ianus", one)
        self.assertNotIn("cxl_pnm", one)
        bad = self.tool("report", out, "--baseline", "ianos", exit_code=2)
        self.assertIn("'ianos'; did you mean 'ianus'?", bad.stderr)

    def test_waveform(self):
        self.tool("run", FIRST_LIGHT, "--quiet", "--out", "wave", "--set", "trace.vcd=true", "--set",
                  "trace.start_us=250", "--set", "trace.stop_us=400", "--set",
                  "workload.output_tokens=2")
        vcd = os.path.join(self.folder, "wave", "trace.vcd")
        with open(vcd, encoding="utf-8") as file:
            text = file.read()
        for scope in ("clocks", "host", "stack0", "tile0"):
            self.assertIn(f"$scope module {scope} ", text)
        times = [int(line[1:]) for line in text.splitlines() if line.startswith("#")]
        self.assertEqual(times, sorted(times))
        self.assertGreater(len(times), 100)
        if shutil.which("vcd2fst") is None:
            self.skipTest("vcd2fst is not installed")
        done = subprocess.run(["vcd2fst", vcd, vcd + ".fst"], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    # Name, in a row of the trace of commands, of what a bus shows beside its command.
    BUSES = {"row_bus": ("stack_id", "bank_group", "bank", "row"),
             "column_bus": ("stack_id", "bank_group", "bank", "column")}

    @staticmethod
    def read_waves(path):
        """The changes of each signal: {"stack0.pc3.state": [(time, "PIM"), ...]}, the first at the
        window's start."""
        names, scopes, waves, time_ps = {}, [], {}, 0
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if words[0] == "$scope":
                    scopes.append(words[2])
                elif words[0] == "$upscope":
                    scopes.pop()
                elif words[0] == "$var":
                    names[words[3]] = ".".join([*scopes, words[4]])
                    waves[names[words[3]]] = []
                elif line[0] == "#":
                    time_ps = int(line[1:])
                elif line[0] in "sb":
                    value = words[0][1:]
                    waves[names[words[1]]].append((time_ps, value if line[0] == "s" else
                                                   int(value, 2)))
                elif line[0] in "01":
                    waves[names[words[0][1:]]].append((time_ps, int(line[0])))
        return waves

    def commands_in_waves(self, waves, scope, period_ps, start_ps):
        """The commands that begin behind the window's start, as rows of the trace have them."""
        found = []
        for bus, fields in self.BUSES.items():
            columns = {field: dict(waves[f"{scope}.{bus}.{field}"]) for field in fields}
            values = {field: changes[start_ps] for field, changes in columns.items()}
            times = set().union(*columns.values())
            commands = dict(waves[f"{scope}.{bus}.command"])
            for time_ps in sorted(times | set(commands)):
                for field in fields:
                    values[field] = columns[field].get(time_ps, values[field])
                name = commands.get(time_ps, "-")
                if name == "-" or time_ps == start_ps:
                    continue
                self.assertEqual(time_ps % period_ps, 0)
                found.append((time_ps // period_ps, name, *values.values()))
        return sorted(found)

    def commands_in_trace(self, path, pseudo_channels, period_ps, start_ps, stop_ps):
        """{"stack0.pc3": commands}, those of the window."""
        found = {name: [] for name in pseudo_channels}
        row_commands = {"ACT", "PRE", "PREA", "REFab", "REFpb", "PDE", "PDX", "PIM_IN", "PIM_OUT",
                        "ACT_AB", "PRE_AB"}
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = f"{row['component']}.pc{row['pseudo_channel']}"
                cycle = int(row["cycle"])
                if name not in found or not start_ps < cycle * period_ps <= stop_ps:
                    continue
                bus = "row_bus" if row["command"] in row_commands else "column_bus"
                values = [int(row[field]) for field in self.BUSES[bus]]
                found[name].append((cycle, row["command"], *values))
        return {name: sorted(commands) for name, commands in found.items()}

    def test_dram_commands_in_the_waveform_are_those_of_the_trace(self):
        start_us, stop_us = 262, 317
        settings = ["--set", "workload.output_tokens=2", "--set",
                    "machine.hbm.controller.power_down_after=200"]
        self.tool("run", FIRST_LIGHT, "--quiet", "--out", "traced", "--trace-dram", *settings)
        self.tool("run", FIRST_LIGHT, "--quiet", "--out", "wave", "--trace-dram", "--check-dram",
                  "--set", "trace.vcd=true", "--set", f"trace.start_us={start_us}", "--set",
                  f"trace.stop_us={stop_us}", "--set", 'trace.dram=["stack2", "first"]', *settings)
        traced = self.result(os.path.join(self.folder, "traced"))
        drawn = self.result(os.path.join(self.folder, "wave"))
        self.assertEqual(traced["time"], drawn["time"], "the waveform changes the run")

        vcd = os.path.join(self.folder, "wave", "trace.vcd")
        waves = self.read_waves(vcd)
        drawn = {name[:-len(".state")] for name in waves if ".pc" in name and name.endswith("state")}
        self.assertEqual(drawn, {f"stack2.pc{i}" for i in range(32)} |
                         {f"stack{i}.pc0" for i in range(4)})
        clocks = json.loads(self.tool("describe", FIRST_LIGHT, "--json").stdout)["clocks"]
        period_ps = next(clock["period_ps"] for clock in clocks if clock["name"] == "hbm")
        start_ps, stop_ps = start_us * 1_000_000, stop_us * 1_000_000
        expected = self.commands_in_trace(os.path.join(self.folder, "traced", "dram_commands.csv"),
                                          drawn, period_ps, start_ps, stop_ps)
        names = set()
        for scope, commands in expected.items():
            self.assertGreater(len(commands), 10, scope)
            self.assertEqual(self.commands_in_waves(waves, scope, period_ps, start_ps), commands,
                             scope)
            names.update(command[1] for command in commands)
            self.check_states(waves[f"{scope}.state"], commands, period_ps)
        self.assertLessEqual({"ACT", "RD", "WR", "REFab", "PDE", "PDX", "PIM_IN", "ACT_AB", "MAC_AB",
                              "RD_MAC", "PRE_AB", "PIM_OUT"}, names)

    def check_states(self, changes, commands, period_ps):
        """Each command finds its pseudo-channel in the state that it needs or makes."""
        states = {"ACT": "NORMAL", "RD": "NORMAL", "WR": "NORMAL", "PIM_OUT": "NORMAL",
                  "PIM_IN": "PIM", "ACT_AB": "PIM", "MAC_AB": "PIM", "REFab": "REFRESH",
                  "PDE": "POWER_DOWN"}
        times = [time_ps for time_ps, _ in changes]
        for cycle, command, *_ in commands:
            if command in states:
                state = changes[bisect.bisect_right(times, cycle * period_ps) - 1][1]
                self.assertEqual(state, states[command], (cycle, command))

    def test_an_interrupted_run_leaves_valid_files(self):
        process = subprocess.Popen(
            [HPIM_VP, "run", FIRST_LIGHT, "--quiet", "--out", "stopped", "--set", "trace.vcd=true",
             "--set", "trace.max_mib=8", "--set", "workload.output_tokens=1000", "--set",
             "workload.stop_at_end_token=false"], cwd=self.folder, stderr=subprocess.PIPE)
        waveform = os.path.join(self.folder, "stopped", "trace.vcd")
        deadline = time.monotonic() + 60
        while not os.path.exists(waveform) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"interrupted", error)
        self.assertEqual(self.result(os.path.join(self.folder, "stopped"))["status"], "interrupted")

    def test_usage_errors(self):
        self.tool(exit_code=2)
        self.tool("rnu", exit_code=2)
        self.tool("run", exit_code=2)
        self.tool("run", FIRST_LIGHT, "--colour", exit_code=2)
        for command in ("run", "validate", "describe", "sweep", "report"):
            self.assertIn("Usage", self.tool(command, "--help").stdout)

    def test_time_limit(self):
        done = self.tool("run", FIRST_LIGHT, "--quiet", "--set", "limits.simulated_s=0.001",
                         exit_code=1)
        self.assertIn("limits.simulated_s", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
