#!/usr/bin/env python3
"""What it costs to look at the DRAM: runs of whole machines, plain and with each observer on.

Times are CPU seconds of the simulator's process; the least of several rounds counts, since other
load only ever slows a run down. The rounds take turns, so that a slow minute hits all alike.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

# Name, scenario, settings of every run, the waveform's window in microseconds.
MACHINES = [
    ("first_light", "first_light.json", ["workload.output_tokens=100"], (0, 500)),
    ("opt_1.3b", "opt_1.3b.json", ["workload.prompt_tokens=2", "workload.output_tokens=4"],
     (100, 600)),
]

# Name, options, settings. The waveforms have a window of half a millisecond.
OBSERVERS = [
    ("plain", [], []),
    ("--check-dram", ["--check-dram"], []),
    ("--trace-dram", ["--trace-dram"], []),
    ("waveform", [], ["trace.vcd=true"]),
    ("waveform, dram=first", [], ["trace.vcd=true", "trace.dram=first"]),
    ("waveform, dram=all", [], ["trace.vcd=true", "trace.dram=all"]),
]


def cpu_seconds(command):
    before = os.times()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    after = os.times()
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return (after.children_user - before.children_user
            + after.children_system - before.children_system)


def run_once(arguments, machine, observer, out):
    """CPU seconds of a run, and its result."""
    _, scenario, settings, window = machine
    _, options, own_settings = observer
    settings = [*settings, f"trace.start_us={window[0]}", f"trace.stop_us={window[1]}",
                "trace.max_mib=4096", *own_settings]
    command = [arguments.tool, "run", os.path.join(arguments.scenarios, scenario), "--quiet",
               "--out", out, *options]
    for setting in settings:
        command += ["--set", setting]
    seconds = cpu_seconds(command)
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        return seconds, json.load(file)


def commands_of(result):
    """DRAM commands of a checked run."""
    return result.get("dram_check", {}).get("commands", 0)


def measure(arguments, machine):
    least, commands = {}, 0
    for _ in range(arguments.rounds):
        for observer in OBSERVERS:
            out = tempfile.mkdtemp()
            try:
                seconds, result = run_once(arguments, machine, observer, out)
            finally:
                shutil.rmtree(out)
            least[observer[0]] = min(least.get(observer[0], seconds), seconds)
            commands = max(commands, commands_of(result))
    return least, commands


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", required=True, help="hpim-vp")
    parser.add_argument("--scenarios", required=True, help="the folder of scenarios")
    parser.add_argument("--controllers", help="hbm_observers_bench, to run as well")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    for machine in MACHINES:
        least, commands = measure(arguments, machine)
        print(f"{machine[0]}: {commands / 1e6:.1f} million DRAM commands")
        print(f"  {'':24}{'CPU s':>8}{'of plain':>10}")
        for name, seconds in least.items():
            print(f"  {name:24}{seconds:8.2f}{seconds / least['plain']:10.2f}")
        sys.stdout.flush()
    if arguments.controllers:
        print("One controller by itself:")
        sys.stdout.flush()
        subprocess.run([arguments.controllers], check=True)


if __name__ == "__main__":
    main()
