"""Writes the page: the paper's figures, the platform's, and why they differ."""

import os

from . import assumptions, experiments, figures, svg, timeline

A100S = ("a100_hugging_face", "a100_vllm")
NOT_RUN = "not run"


def preset_value(key, device, result):
    """What the reference has at a scenario's key, in the key's unit."""
    place = key.split(".")
    if place[:3] == ["machine", "hbm", "device"]:
        return device[place[3]][place[4]][0]
    if result is None:
        return "-"
    if place[-1] == "clock_mhz":
        periods = {clock["name"]: clock["period_ps"] for clock in result["machine"]["clocks"]}
        return f"{1e6 / periods[place[1]]:g} MHz"
    return result["scenario"]["machine"].get(place[1], {}).get(place[2], "the default")


class Page:
    def __init__(self, root, runner, claims, quick):
        self.root, self.runner, self.claims, self.quick = root, runner, claims, quick
        self.lines = []
        wanted = experiments.experiments(experiments.PARTS, quick)
        found = {one.name: runner.result(one.name) for one in wanted}
        self.results = {name: result for name, result in found.items() if result is not None}
        self.outdated = [one.name for one in wanted
                         if one.name in self.results and not runner.is_current(one)]
        comparable = [name for name, result in self.results.items() if len(result["tokens"]) >= 2]
        self.comparisons = runner.comparisons(comparable)

    def add(self, *lines):
        self.lines += lines

    def table(self, header, rows):
        self.add("| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |")
        for row in rows:
            self.add("| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |")
        self.add("")

    def missing(self, name):
        return f"{NOT_RUN}: {self.runner.failures[name]}" if name in self.runner.failures else NOT_RUN

    def request(self, name):
        result = self.results.get(name)
        if result is None:
            return "?"
        return f"{len(result['prompt_tokens'])} in / {len(result['tokens'])} out"

    def ratio(self, name, baseline, key="request_s"):
        """How many times as long the baseline takes; None: not run."""
        if name not in self.comparisons:
            return None
        comparison = self.comparisons[name]
        return comparison["baselines"][baseline][key] / comparison[key]

    def write(self):
        self.head()
        self.a100()
        self.latency()
        self.kinds()
        self.ianus()
        self.cxl_pnm()
        self.sensitivity()
        self.presets()
        self.overlap()
        self.timeline()
        self.assumptions()
        path = os.path.join(self.runner.out, "README.md")
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")
        os.replace(path + ".tmp", path)
        return path

    def head(self):
        self.add("# HPIM's evaluation on this platform", "")
        if self.quick:
            self.add("**Made with --quick: requests of a few tokens, a test of the command. Nothing here "
                     "compares with the paper.**", "")
        self.add(f"The paper is {self.claims['source']}. Written by `scripts/reproduce_hpim`, all runs in "
                 "timing mode; every figure of the platform comes from a `result.json` in `runs/`. `ratio` "
                 "is the platform's figure to the paper's. Speed-ups are over rooflines of published "
                 "machines (docs/baselines.md); none was fitted to the paper's claims. How to read it: "
                 "docs/hpim_paper.md.", "")

        if self.outdated:
            self.add("**Runs of an earlier program, preset or scenario: " + ", ".join(self.outdated)
                     + ".** The command without `--only` does them again.", "")

    def ratios(self, baseline):
        return {model: self.ratio(model, baseline) for model in experiments.PAPER_MODELS
                if self.ratio(model, baseline) is not None}

    def a100(self):
        self.add("## Speed-up over an A100", "")
        rows = []
        for baseline in A100S:
            ratios = self.ratios(baseline)
            for what, paper in (("peak", self.claims["a100_peak"]), ("mean", self.claims["a100_mean"])):
                if not ratios:
                    rows.append((what, baseline, f"{paper}x", NOT_RUN, "-", "-"))
                    continue
                best = max(ratios, key=ratios.get)
                value = ratios[best] if what == "peak" else sum(ratios.values()) / len(ratios)
                if what == "peak":
                    why = f"{best}: " + figures.why_latency(self.results[best],
                                                            self.comparisons[best], baseline)
                else:
                    worst = min(ratios, key=ratios.get)
                    why = (f"from {ratios[worst]:.2f}x ({worst}) to {ratios[best]:.2f}x ({best}); the paper "
                           "does not say here over which requests it takes the mean")
                left_out = [model for model in experiments.PAPER_MODELS if model not in ratios]
                if left_out:
                    why = f"without {', '.join(left_out)} ({NOT_RUN}); {why}"
                rows.append((what, baseline, f"{paper}x", f"{value:.2f}x", f"{value / paper:.2f}", why))
        self.table(("figure", "A100", "paper", "platform", "ratio", "why"), rows)
        self.add(f"Peak and mean of the whole request over the models below ({self.request('opt-13b')}); "
                 "mean: arithmetic. The paper's set of request lengths is not known to this project.", "")

    def latency(self):
        self.add("## End-to-end latency against an A100", "")
        rows, groups = [], []
        for model in experiments.PAPER_MODELS:
            paper = self.claims["a100_latency"].get(model)
            groups.append((model, [paper, *(self.ratio(model, one) for one in A100S)]))
            for baseline in A100S:
                value = self.ratio(model, baseline)
                stated = f"{paper}x" if paper else "not stated"
                if value is None:
                    rows.append((model, baseline, stated, self.missing(model), "-", "-", "-"))
                    continue
                decode = self.ratio(model, baseline, "mean_token_s")
                why = figures.why_latency(self.results[model], self.comparisons[model], baseline)
                rows.append((model, baseline, stated, f"{value:.2f}x",
                             f"{value / paper:.2f}" if paper else "-", f"{decode:.2f}x", why))
        self.table(("model", "A100", "paper", "platform", "ratio", "platform, tokens only", "why"), rows)
        svg.bars(os.path.join(self.runner.out, "latency.svg"),
                 f"Speed-up over an A100, {self.request('opt-13b')}", groups,
                 ("paper", *A100S), "x")
        self.add("![Speed-up over an A100](latency.svg)", "")
        self.both_sides()

    def both_sides(self):
        """The one model of which the paper's times are known, not only ratios."""
        comparison = self.comparisons.get("opt-13b")
        if comparison is None:
            return
        theirs = {machine: figures.paper_token_ms(self.claims, machine) for machine in ("a100", "hpim")}
        own = comparison["mean_token_s"] * 1e3
        self.add(f"OPT-13B, a token: the paper's A100 takes {theirs['a100']:.1f} ms and its HPIM "
                 f"{theirs['hpim']:.1f} ms (sums of its table below); this platform takes {own:.2f} ms, "
                 f"{theirs['hpim'] / own:.2f} times as fast as the paper's HPIM, and "
                 + " and ".join(
                     f"{name} {comparison['baselines'][name]['mean_token_s'] * 1e3:.1f} ms, "
                     f"{theirs['a100'] / (comparison['baselines'][name]['mean_token_s'] * 1e3):.2f} times as "
                     "fast as the paper's A100" for name in A100S)
                 + ". A ratio to the paper's speed-up is the first of these factors divided by one of the "
                 "others, but for the prompt.", "")

    def kinds(self):
        tokens = self.claims["opt_13b_tokens"]
        self.add(f"## OPT-13B by kind of layer, ms of {tokens} tokens", "")
        rows = []
        result = self.results.get("opt-13b")
        for kind, paper in self.claims["opt_13b_ms"].items():
            stated = [f"{paper['a100']}", f"{paper['hpim']}"]
            if result is None or "per_token" not in result:
                rows.append((kind, *stated, self.missing("opt-13b"), *["-"] * 6))
                continue
            critical = figures.of_kind(result, kind) * tokens * 1e3
            in_all = figures.of_kind(result, kind, lambda one: one["span_s"]) * tokens * 1e3
            baseline = self.comparisons["opt-13b"]["baselines"][A100S[0]]
            memory = baseline["mean_token_parts_s"][kind] * tokens * 1e3
            rows.append((kind, *stated, f"{critical:.0f}", f"{critical / paper['hpim']:.2f}",
                         f"{in_all:.0f}", f"{memory:.0f}",
                         f"{paper['a100'] / paper['hpim']:.2f}x",
                         f"{memory / critical:.2f}x" if critical > 0 else "-", figures.why_kind(
                             result, kind, self.claims)))
        self.table(("kind", "A100, paper", "HPIM, paper", "platform", "ratio", "platform, in all",
                    "A100, roofline", "paper's speed-up", "platform's over roofline", "why"), rows)
        if result is not None and "per_token" in result:
            parts = {name: self.comparisons["opt-13b"]["baselines"][name]["mean_token_parts_s"]
                     for name in A100S}
            self.add(f"Mean token times {tokens}. `platform`: on the critical path, so that all operators add "
                     "up to the token; `in all`: hidden time included. `A100, roofline`: memory time of both "
                     "A100 files; which kind launches how many of their kernels is not known, so launches "
                     "stand apart: "
                     + ", ".join(f"{name} {parts[name]['overhead'] * tokens * 1e3:.0f} ms" for name in A100S)
                     + f". The rest of the platform's token (norms, embedding, classifier, the firmware "
                     f"between tokens) takes {self.rest_ms(result) * tokens:.0f} ms.", "")

    @staticmethod
    def rest_ms(result):
        known = sum(figures.of_kind(result, kind) for kind in figures.KINDS)
        return (result["per_token"]["token_s"] - known) * 1e3

    def ianus(self):
        self.add("## IANUS", "")
        rows = []
        paper = self.claims["ianus"]
        for model in experiments.IANUS_MODELS:
            if model not in self.comparisons:
                rows.append((model, f"{paper}x", self.missing(model), "-", "-", "-", "-"))
                continue
            value, own_ms = self.ratio(model, "ianus"), self.comparisons[model]["mean_token_s"] * 1e3
            published = self.claims["ianus_published_ms"][model]
            rows.append((model, f"{paper}x", f"{value:.2f}x", f"{value / paper:.2f}", f"{own_ms:.2f}",
                         f"{published} ({published / own_ms:.2f}x)",
                         f"the prompt takes {self.prompt_share(model):.0%} of the request here; a token is "
                         f"mostly {figures.bound_words(self.results[model])}"))
        self.table(("model", "paper", "platform", "ratio", "platform, ms a token",
                    "IANUS published, ms a token", "why"), rows)
        self.add(f"Whole request, {self.request(experiments.IANUS_MODELS[0])}. IANUS published GPT-2's times; "
                 "over which models the paper has its 1.50x is not known to this project, so these two are "
                 "what is comparable at all. OPT from 6.7B on does not fit into IANUS' memory. `platform` is "
                 "against the roofline fitted to IANUS' two times, the last but one column against these "
                 "themselves.", "")

    def prompt_share(self, name):
        return self.comparisons[name]["first_token_s"] / self.comparisons[name]["request_s"]

    def cxl_pnm(self):
        self.add("## CXL-PNM, tokens a second", "")
        paper = self.claims["cxl_pnm_most"]
        ratios = {model: self.ratio(model, "cxl_pnm", "mean_token_s")
                  for model in experiments.PAPER_MODELS if model in self.comparisons}
        rows = []
        best = max(ratios, key=ratios.get) if ratios else None
        for model in experiments.PAPER_MODELS:
            if model not in ratios:
                rows.append((model, "-", self.missing(model), "-", "-"))
                continue
            at_most = model == best
            rows.append((model, f"up to {paper}x" if at_most else "-", f"{ratios[model]:.2f}x",
                         f"{ratios[model] / paper:.2f}" if at_most else "-",
                         f"a token is mostly {figures.bound_words(self.results[model])}"))
        self.table(("model", "paper", "platform", "ratio", "why"), rows)
        self.add("Tokens after the first. The baseline reads at its peak bandwidth without any overhead: a "
                 "lower bound of its time, so these are lower bounds of the speed-up. The bound has no counterpart "
                 "to what the platform spends on a token whatever the matrices' size, such as issuing.", "")

    def sensitivity(self):
        self.add("## Sensitivity: one parameter at a time", "")
        reference = self.results.get("short")
        device = assumptions.hpim_device(self.root)
        rows, groups = [], []
        if reference is not None:
            base = reference["time"]
            rows.append(("reference", "the preset", f"{base['mean_token_s'] * 1e3:.3f}", "1.00",
                         f"{base['first_token_s'] * 1e3:.2f}", "1.00", figures.bound_words(reference)))
        for parameter, key, values in experiments.SENSITIVITY:
            preset = preset_value(key, device, reference)
            for value, _ in values:
                name = experiments.sensitivity_name(parameter, value)
                result = self.results.get(name)
                label = f"{parameter}: {value}"
                if result is None or reference is None:
                    rows.append((label, preset, self.missing(name), "-", "-", "-", "-"))
                    continue
                time, base = result["time"], reference["time"]
                change = base["mean_token_s"] / time["mean_token_s"]
                groups.append((label, [change]))
                rows.append((label, preset, f"{time['mean_token_s'] * 1e3:.3f}", f"{change:.2f}",
                             f"{time['first_token_s'] * 1e3:.2f}",
                             f"{base['first_token_s'] / time['first_token_s']:.2f}",
                             figures.bound_words(result)))
        self.table(("parameter", "preset has", "ms a token", "speed-up", "first token, ms", "speed-up",
                    "mostly"), rows)
        if reference is not None:
            self.add(f"{reference['model']['name']}, {self.request('short')}. PU clock: cycles of a column "
                     "of all banks (`tMAC`) and `unit_clock_mhz` together. Banks opened at once: "
                     "`banks_per_activate_group` within a window of tFAW; units of all open banks compute "
                     "at the same time. tFAW holds for normal accesses too.", "")
            svg.bars(os.path.join(self.runner.out, "sensitivity.svg"),
                     f"{reference['model']['name']}: speed-up of a token by one parameter", groups,
                     ("times as fast as the preset",), "x")
            self.add("![Sensitivity](sensitivity.svg)", "")

    def presets(self):
        self.add("## All models on this machine", "")
        rows = []
        for model in (*experiments.PAPER_MODELS, *experiments.OTHER_MODELS):
            result = self.results.get(model)
            if result is None:
                rows.append((model, "-", self.missing(model), *["-"] * 7))
                continue
            time, host, tokens = result["time"], result["host"], len(result["tokens"])
            rows.append((model, result["scenario"]["machine"]["hbm"]["stacks"],
                         f"{time['mean_token_s'] * 1e3:.3f}", f"{time['first_token_s'] * 1e3:.2f}",
                         f"{figures.request_s(result):.4f}", f"{host['wall_s']:.1f}",
                         f"{tokens / host['wall_s']:.2f}", f"{host['peak_memory_bytes'] / 2**20:.0f}",
                         *(f"{self.ratio(model, one):.2f}x" for one in A100S)))
        self.table(("model", "stacks", "ms a token", "first token, ms", "request, s", "host, s",
                    "tokens a host second", "peak RSS, MiB", *A100S), rows)
        self.add(f"{self.request('llama-2-7b')}. LLaMA-2 70B's 138 GB need 8 stacks of 24 GB, the others "
                 "run on 4. The host times are of the machine on which the page was made, with "
                 "whatever else ran there.", "")

    def overlap(self):
        self.add("## What overlapping is worth", "")
        runs = ("opt-13b_serial", "opt-13b")
        if any(name not in self.results for name in runs):
            self.add(next(self.missing(name) for name in runs if name not in self.results), "")
            return
        serial, overlapped = (self.results[name]["time"]["mean_token_s"] for name in runs)
        self.add(f"OPT-13B, {self.request(runs[0])}: a token takes {serial * 1e3:.3f} ms with operators one at "
                 f"a time and {overlapped * 1e3:.3f} ms overlapped, {serial / overlapped:.3f} times as fast. "
                 "`report A B`, microseconds of a token (docs/operator_times.md):", "", "```")
        self.add(self.runner.report(*runs).rstrip(), "```", "")

    def timeline(self):
        self.add("## A token in time", "")
        result = self.results.get("timeline")
        if result is None:
            self.add(self.missing("timeline"), "")
            return
        operations = timeline.read_operations(os.path.join(self.runner.folder("timeline"), "trace.vcd"))
        start, stop = (int(float(us) * 1e6) for us in timeline.window_us(result))
        layers = timeline.layers_drawn(result)
        operations = [one for one in operations
                      if one[1].partition(".")[0] in [f"layer{layer}" for layer in layers]]
        title = (f"{result['model']['name']}, layers {layers[0]} to {layers[-1]} of the last token, "
                 f"{self.request('timeline')}")
        svg.timeline(os.path.join(self.runner.out, "timeline.svg"), title, operations, start, stop)
        self.add(f"![{title}](timeline.svg)", "")
        rows = [(f"{a} and {b}", f"{timeline.overlap_us(operations, a, b):.2f}")
                for a, b in (("query", "attention_keys"), ("value", "attention_keys"),
                             ("key", "query"), ("query", "value"), ("value", "attention_scores"),
                             ("value", "attention_values"))]
        self.table(("at work at the same time", "us of these layers"), rows)
        self.add("A lane for each engine; drawn from the run's waveform. `attention_keys` stores "
                 "keys (Q.K^T needs no transposed ones here), `attention_scores` is Q.K^T and softmax, `attention_values` S.V.", "")

    def assumptions(self):
        self.add("## What is calibrated or assumed", "", "### HBM-PIM device", "",
                 "Every number of `hbm3_hpim` that is not HPIM's own; **bold**: not a published number as "
                 "it stands.", "")
        self.table(("parameter", "value", "source"),
                   [(f"**{name}**" if assumptions.is_assumed(source) else name, value, source)
                    for name, value, source in assumptions.of_device(self.root)])
        self.add("### Machine, tiles, NoC, DMA, host", "")
        self.table(("parameter", "value", "what the source says"),
                   assumptions.of_machine(self.root) + assumptions.of_headers(self.root))
        self.add("### Published machines", "")
        self.table(("file", "calibration"), assumptions.of_baselines(self.root))
