"""Schedules, mappings and numbers of tiles: the same text by all of them, and the same time in both
data modes; what `describe --plan` and `report` say of them."""

import itertools
import json
import os
import sys
import unittest

from test_runs import FIRST_LIGHT, SOURCE, ToolTest

OPT_1_3B = os.path.join(SOURCE, "scenarios", "opt_1.3b.json")
SHARED = os.environ.get("HPIMVP_SHARED_DATA", "")

# What can be chosen: every value of each.
FACTORS = {
    "machine.sram_pim.tiles": ("1", "4", "5", "8", "32"),
    "mapping.qkv": ("auto", "rows", "columns"),
    "schedule.policy": ("overlapped", "serial"),
    "mapping.attention_pipeline": ("true", "false"),
    "mapping.attention": ("tiles", "hbm_pim"),
}


def pairwise():
    """Every pair of values of two factors in one of 15 combinations (all of them would be 120); a
    test says whether it does."""
    tiles, qkv, policies, pipelines, engines = FACTORS.values()
    for i, j in itertools.product(range(len(tiles)), range(len(qkv))):
        values = (tiles[i], qkv[j], policies[(i + j) % 2], pipelines[(i + j // 2) % 2],
                  engines[(i // 2 + j) % 2])
        yield dict(zip(FACTORS, values))


class ChoicesTest(ToolTest):
    def check_every_choice(self, *model):
        """The same text by all combinations, and in each the same times in both data modes."""
        texts = set()
        for choice in pairwise():
            with self.subTest(**choice):
                settings = [*model, *(f"{key}={value}" for key, value in choice.items())]
                free = self.run_scenario(FIRST_LIGHT, "free", *settings)
                texts.add(free["text"])
                replay = "workload.replay_tokens=" + json.dumps(free["tokens"])
                functional = self.run_scenario(FIRST_LIGHT, "functional", *settings, replay)
                timing = self.run_scenario(FIRST_LIGHT, "timing", *settings, replay, "data=timing")
                self.assertEqual(functional["text"], free["text"])
                for key in ("text", "time", "operators", "per_token", "firmware"):
                    self.assertEqual(functional[key], timing[key], key)
        self.assertEqual(len(texts), 1, texts)


class Policies(ChoicesTest):
    def test_the_combinations_hold_every_pair(self):
        for (a, a_values), (b, b_values) in itertools.combinations(FACTORS.items(), 2):
            self.assertEqual({(one[a], one[b]) for one in pairwise()},
                             set(itertools.product(a_values, b_values)), (a, b))

    def test_every_choice_gives_the_same_text_and_both_modes_the_same_time(self):
        self.check_every_choice("workload.output_tokens=6")

    def test_a_serial_schedule_has_no_two_operators_at_work(self):
        serial = self.run_scenario(FIRST_LIGHT, "serial", "workload.output_tokens=6",
                                   "schedule.policy=serial")
        overlapped = self.run_scenario(FIRST_LIGHT, "overlapped", "workload.output_tokens=6")
        self.assertEqual(serial["per_token"]["concurrent_s"], 0)
        self.assertGreater(overlapped["per_token"]["concurrent_s"], 0)
        self.assertLess(overlapped["time"]["mean_token_s"], serial["time"]["mean_token_s"])

    def test_the_profile_accounts_for_every_token(self):
        for name, *settings in (("overlapped",), ("serial", "schedule.policy=serial"),
                                ("rows", "mapping.qkv=rows"), ("columns", "mapping.qkv=columns"),
                                ("whole attention", "mapping.attention_pipeline=false"),
                                ("attention in HBM-PIM", "mapping.attention=hbm_pim")):
            with self.subTest(name):
                result = self.run_scenario(OPT_1_3B, "profile", "workload.output_tokens=4",
                                           *settings)
                profile = result["per_token"]
                self.assertEqual(profile["tokens"], 3)
                self.assertAlmostEqual(profile["token_s"], result["time"]["mean_token_s"],
                                       delta=1e-9)
                critical = sum(one["critical_s"] + one["critical_issue_s"]
                               for one in profile["operators"])
                self.assertAlmostEqual(critical + profile["between_s"], profile["token_s"],
                                       delta=1e-9)
                exclusive = sum(one["exclusive_s"] for one in profile["operators"])
                self.assertAlmostEqual(exclusive + profile["concurrent_s"] + profile["idle_s"],
                                       profile["token_s"], delta=1e-9)
                for one in profile["operators"]:
                    self.assertAlmostEqual(sum(one["resources_s"].values()), one["span_s"],
                                           delta=1e-9, msg=one["operator"])

    def test_the_pipeline_overlaps_keys_queries_values_and_scores(self):
        result = self.run_scenario(OPT_1_3B, "pipeline", "workload.output_tokens=3")
        hidden = {one["operator"]: one["hidden_s"] for one in result["per_token"]["operators"]}
        for name in ("query", "value", "attention_keys", "attention_scores"):
            self.assertGreater(hidden[name], 0, name)

    def test_report_explains_a_gain_operator_by_operator(self):
        for policy in ("serial", "overlapped"):
            self.tool("run", OPT_1_3B, "--quiet", "--out", policy, "--set",
                      "workload.output_tokens=3", "--set", "schedule.policy=" + policy)
        text = self.tool("report", "serial", "overlapped").stdout
        rows = [line.split() for line in text.splitlines()]
        gains = {row[0]: float(row[-1]) for row in rows
                 if len(row) > 3 and row[0] in ("key", "query", "token", "attention_scores")}
        self.assertGreater(gains["token"], 0)
        total = sum(float(row[-1]) for row in rows[rows.index([]):]
                    if row and row[0] not in ("A", "operator", "token"))
        self.assertAlmostEqual(total, gains["token"], delta=0.05)
        self.assertIn("bound by", self.tool("report", "serial").stdout)


class SharedModel(ChoicesTest):
    def test_every_choice_gives_the_same_text_and_both_modes_the_same_time(self):
        model = os.path.join(SHARED, "stories260K.bin")
        if not os.path.exists(model):
            print(f"SKIPPED: {model} is missing (CMake: HPIMVP_SHARED_DATA)")
            self.skipTest("no shared model")
        self.check_every_choice("model.path=" + model, "workload.output_tokens=10",
                                "model.tokenizer=" + os.path.join(SHARED, "tok512.bin"))


class Plan(ToolTest):
    def describe(self, scenario, *arguments):
        return json.loads(self.tool("describe", scenario, "--plan", "--json", *arguments).stdout)

    def test_shows_the_four_stages(self):
        plan = self.describe(FIRST_LIGHT)
        self.assertEqual(list(plan), ["model", "layers", "annotation", "mapping", "tiling", "code"])
        operators = {one["operator"]: one for one in plan["annotation"]["operators"]}
        self.assertEqual(operators["layer0.query"]["class"], "GEMV")
        self.assertEqual(operators["layer0.attention_scores"]["after"],
                         "layer0.query, layer0.attention_keys")
        mapping = {one["operator"]: one for one in plan["mapping"]["operators"]}
        self.assertEqual(mapping["layer0.query"]["engine"], "hbm_pim")
        self.assertEqual(mapping["classifier"]["on"], "stacks 0-3")
        self.assertEqual(set(operators), set(mapping))
        listings = {one["program"]: one["listing"] for one in plan["code"]["programs"]}
        self.assertIn("halt", listings["attention_keys"])
        self.assertIn("kv_head:", listings["attention_scores"])
        text = self.tool("describe", FIRST_LIGHT, "--plan").stdout
        for word in ("stage 1", "stage 2", "stage 3", "stage 4", "layer0.query", "kv_head:",
                     "tile_memory", "residual addend"):
            self.assertIn(word, text)

    def test_shows_one_of_the_layers_that_are_alike_or_the_one_asked_for(self):
        opt_30b = ("--set", "model.preset=opt-30b")
        plan = self.describe(OPT_1_3B, *opt_30b)
        self.assertEqual(plan["layers"], [{"shown": "0", "alike": "0-47"}])
        plan = self.describe(OPT_1_3B, *opt_30b, "--layer", "47", "--stage", "mapping")
        self.assertEqual(list(plan), ["model", "layers", "mapping"])
        names = [one["operator"] for one in plan["mapping"]["operators"]]
        self.assertIn("embedding", names)
        self.assertIn("layer47.down", names)
        self.assertNotIn("layer0.down", names)
        # LLaMA's first norm has nothing to add.
        llama = self.describe(os.path.join(SOURCE, "scenarios", "llama2_7b.json"))
        self.assertEqual([group["shown"] for group in llama["layers"]], ["0", "1"])

    def test_says_what_was_asked_for(self):
        plan = self.describe(OPT_1_3B, "--stage", "mapping", "--set", "mapping.qkv=columns",
                             "--set", "schedule.policy=serial")
        mapping = {one["operator"]: one for one in plan["mapping"]["operators"]}
        self.assertEqual(mapping["layer0.key"]["slicing"], "columns")
        self.assertEqual(plan["mapping"]["schedule_policy"], "serial")

    def test_shows_attention_in_hbm_pim(self):
        plan = self.describe(os.path.join(SOURCE, "scenarios", "llama2_7b.json"), "--set",
                             "mapping.attention=hbm_pim")
        mapping = {one["operator"]: one for one in plan["mapping"]["operators"]}
        for name in ("layer0.attention_scores", "layer0.attention_values"):
            self.assertEqual(mapping[name]["engine"], "hbm_pim")
            self.assertEqual(mapping[name]["on"], "stacks 0-3")
            self.assertIn("mapping.attention", mapping[name]["why"])
        for part in ("keys", "queries", "softmax", "store_values"):
            self.assertEqual(mapping["layer0.attention_" + part]["engine"], "sram_pim")
        operators = {one["operator"]: one for one in plan["annotation"]["operators"]}
        self.assertEqual(operators["layer0.attention_softmax"]["after"],
                         "layer0.attention_scores, layer0.attention_store_values")
        self.assertEqual(operators["layer0.attention_values"]["after"], "layer0.attention_softmax")
        self.assertIn("attention is in HBM-PIM", plan["mapping"]["prefill"])
        self.assertEqual(plan["tiling"]["attention"]["engine"], "hbm_pim")
        self.assertEqual(plan["tiling"]["kv_regions"], [])

    def test_every_preset_has_a_plan_to_show(self):
        folder = os.path.join(SOURCE, "scenarios", "presets", "models")
        for file in sorted(os.listdir(folder)):
            name = os.path.splitext(file)[0]
            with self.subTest(name):
                self.describe(OPT_1_3B, "--set", "model.preset=" + name, "--set",
                              "machine.hbm.stacks=8")

    def test_bad_names_get_a_hint(self):
        error = self.tool("describe", FIRST_LIGHT, "--stage", "maping", exit_code=2).stderr
        self.assertIn("did you mean 'mapping'?", error)
        error = self.tool("describe", FIRST_LIGHT, "--plan", "--layer", "999", exit_code=2).stderr
        self.assertIn("the model has layers 0 to", error)
        self.tool("describe", FIRST_LIGHT, "--plan", "--layer", "x", exit_code=2)


if __name__ == "__main__":
    sys.exit(unittest.main())
