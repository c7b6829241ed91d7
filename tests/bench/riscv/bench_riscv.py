#!/usr/bin/env python3
"""Instructions per second of the RISC-V core inside SystemC, next to QEMU's on the same program.

Each simulator runs a short and a long build of the workload; the difference of instructions over
the difference of times leaves start-up out. The best of several rounds counts, since other load
only ever slows a run down. Times are CPU seconds of the simulator's process, wall time is shown
beside them.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time

QEMU = ["qemu-system-riscv64", "-icount", "shift=0", "-M", "virt", "-bios", "none", "-nographic",
        "-kernel"]


def timed(command):
    """Output, CPU seconds and wall seconds of a command."""
    before = os.times()
    begin = time.monotonic()
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wall = time.monotonic() - begin
    after = os.times()
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
    cpu = (after.children_user - before.children_user
           + after.children_system - before.children_system)
    return result.stdout, cpu, wall


def program_report(output):
    """The checksum and the instruction count that the workload printed."""
    found = re.search(r"checksum (\d+) instructions (\d+)", output)
    if not found:
        sys.exit(f"the workload did not report:\n{output}")
    return int(found.group(1)), int(found.group(2))


def measure(make_command, short, long):
    """Report of the long run, and MIPS by CPU time and by wall time."""
    short_out, short_cpu, short_wall = timed(make_command(short))
    long_out, long_cpu, long_wall = timed(make_command(long))
    report = program_report(long_out)
    instructions = report[1] - program_report(short_out)[1]
    return (report, instructions / (long_cpu - short_cpu) / 1e6,
            instructions / (long_wall - short_wall) / 1e6)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", required=True, help="the simulator to measure")
    parser.add_argument("--short", required=True, help="ELF with few iterations")
    parser.add_argument("--long", required=True, help="ELF with many iterations")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    contenders = {
        "hpim-vp, quantum 1 ms": lambda elf: [arguments.machine, elf, "1000000"],
        "hpim-vp, quantum 1 us": lambda elf: [arguments.machine, elf, "1000"],
    }
    if shutil.which(QEMU[0]):
        contenders["QEMU -icount shift=0"] = lambda elf: QEMU + [elf]
    else:
        print(f"{QEMU[0]} is not installed: no ratios")

    best, reports = {}, {}
    for _ in range(arguments.rounds):
        for name, command in contenders.items():
            report, cpu, wall = measure(command, arguments.short, arguments.long)
            if reports.setdefault("all", report) != report:
                sys.exit(f"{name} reports {report}, others {reports['all']}")
            previous = best.get(name, (0, 0))
            best[name] = (max(previous[0], cpu), max(previous[1], wall))

    reference = best.get("QEMU -icount shift=0")
    print(f"{'':24}{'MIPS (CPU)':>12}{'MIPS (wall)':>13}{'ratio':>8}")
    for name, (cpu, wall) in best.items():
        ratio = f"{cpu / reference[0]:8.2f}" if reference else ""
        print(f"{name:24}{cpu:12.0f}{wall:13.0f}{ratio}")


if __name__ == "__main__":
    main()
