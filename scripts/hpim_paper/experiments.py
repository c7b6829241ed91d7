"""Which runs the page needs: a scenario each, what it overrides, and the part of the page."""

from dataclasses import dataclass, field

PARTS = ("paper", "ianus", "sensitivity", "presets", "overlap", "timeline")
PAPER_MODELS = ("opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b", "opt-13b", "opt-30b")
IANUS_MODELS = ("gpt2-xl", "gpt2-2.5b")
OTHER_MODELS = ("llama-2-7b", "llama-2-13b", "llama-2-70b", "llama-3.1-8b", "qwen2.5-7b")

# For tests: the same machine, too short a request to compare with anything, and the smallest model
# in place of the one that is varied and drawn.
QUICK_REQUEST = ("workload.prompt_tokens=4", "workload.output_tokens=3")
QUICK_MODEL = "model.preset=opt-350m"

_DEVICE = "machine.hbm.device."
# (parameter, its key, [(value, settings)]). A column of all banks takes tMAC cycles of the DRAM
# clock, 0.769 ns: the units' clock follows from it.
SENSITIVITY = (
    ("PU clock", _DEVICE + "pim.unit_clock_mhz", (
        ("163 MHz", (_DEVICE + "parameters.tMAC=8", _DEVICE + "pim.unit_clock_mhz=163")),
        ("325 MHz", (_DEVICE + "parameters.tMAC=4", _DEVICE + "pim.unit_clock_mhz=325")),
        ("433 MHz", (_DEVICE + "parameters.tMAC=3", _DEVICE + "pim.unit_clock_mhz=433")))),
    ("banks opened at once", _DEVICE + "pim.banks_per_activate_group", (
        ("8", (_DEVICE + "pim.banks_per_activate_group=8",)),
        ("16", (_DEVICE + "pim.banks_per_activate_group=16",)),
        ("32", (_DEVICE + "pim.banks_per_activate_group=32",)))),
    ("tFAW", _DEVICE + "parameters.tFAW", (
        ("20 cycles", (_DEVICE + "parameters.tFAW=20",)),
        ("30 cycles", (_DEVICE + "parameters.tFAW=30",)),
        ("52 cycles", (_DEVICE + "parameters.tFAW=52",)))),
    ("NoC width", "machine.noc.flit_bits", (
        ("128 bits", ("machine.noc.flit_bits=128",)),
        ("512 bits", ("machine.noc.flit_bits=512",)))),
    ("stack's ports to the NoC", "machine.noc.stack_ports", (
        ("1", ("machine.noc.stack_ports=1",)),
        ("4", ("machine.noc.stack_ports=4",)))),
    ("tile clock", "machine.sram_pim.clock_mhz", (
        ("400 MHz", ("machine.sram_pim.clock_mhz=400",)),
        ("1600 MHz", ("machine.sram_pim.clock_mhz=1600",)))),
    ("host clock", "machine.host.clock_mhz", (
        ("500 MHz", ("machine.host.clock_mhz=500",)),
        ("2000 MHz", ("machine.host.clock_mhz=2000",)))),
)


@dataclass
class Experiment:
    name: str
    parts: tuple  # of the page
    scenario: str  # file in scenarios/hpim_paper
    settings: list = field(default_factory=list)
    after: str = ""  # a run that this one needs the times of


def scenario_of(model):
    return model.replace("-", "_") + ".json"


def sensitivity_name(parameter, value):
    words = f"{parameter} {value}".lower().replace("'", "").split()
    return "vary_" + "_".join(words)


def experiments(parts, quick):
    found = [Experiment(model, ("paper", "overlap") if model == "opt-13b" else ("paper",),
                        scenario_of(model)) for model in PAPER_MODELS]
    found += [Experiment(model, ("ianus",), "ianus_" + scenario_of(model))
              for model in IANUS_MODELS]
    found.append(Experiment("opt-13b_serial", ("overlap",), "opt_13b.json",
                            ["schedule.policy=serial"]))
    short = ["short_opt_13b.json", [QUICK_MODEL] if quick else []]
    found.append(Experiment("short", ("sensitivity", "timeline"), *short))
    for parameter, _, values in SENSITIVITY:
        for value, settings in values:
            found.append(Experiment(sensitivity_name(parameter, value), ("sensitivity",), short[0],
                                    [*short[1], *settings]))
    found.append(Experiment("timeline", ("timeline",), short[0],
                            [*short[1], "trace.vcd=true"], after="short"))
    found += [Experiment(model, ("presets",), scenario_of(model)) for model in OTHER_MODELS]
    if quick:
        for one in found:
            one.settings = [*QUICK_REQUEST, *one.settings]
    return [one for one in found if set(one.parts) & set(parts)]
