"""Prompts in chunks on the tiles: the same text as token by token, sooner; what results say of them."""

import json
import os
import sys
import unittest

from test_runs import FIRST_LIGHT, ToolTest

# Puts weights where tiles can stream them.
MAPPING = "machine.hbm.mapping=row:channel:pseudo_channel:stack_id:bank:bank_group:column"
STORY = ("Once upon a time there was a little girl named Lily. She liked to play in the park with her "
         "red ball. One day she saw a big dog. The dog was sad because it had lost its bone. Lily said, "
         "\"Do not be sad. I will help you.\" They looked and looked. Then Lily saw the bone under a "
         "tree. The dog was very happy. ")
CHUNK = 64


class Prefill(ToolTest):
    def run_prompt(self, name, choice, *settings, prompt=STORY):
        return self.run_scenario(FIRST_LIGHT, name, "schedule.prefill=" + choice, MAPPING,
                                 "workload.prompt=" + json.dumps(prompt),
                                 "workload.output_tokens=12", *settings)

    @staticmethod
    def operators_of_chunks(result):
        return [one for one in result["operators"] if one["name"].startswith("prefill.")]

    def test_the_same_text_sooner_than_token_by_token(self):
        tokens = self.run_prompt("tokens", "tokens")
        tiles = self.run_prompt("tiles", "tiles")
        self.assertGreater(len(tokens["prompt_tokens"]), CHUNK + 1)
        self.assertEqual(tiles["tokens"], tokens["tokens"])
        self.assertEqual(tiles["text"], tokens["text"])
        self.assertLess(tiles["time"]["first_token_s"], tokens["time"]["first_token_s"] / 2)
        # What comes after the prompt is as it was, and the profile looks at nothing else.
        self.assertAlmostEqual(tiles["time"]["mean_token_s"], tokens["time"]["mean_token_s"],
                               delta=0.001 * tokens["time"]["mean_token_s"])
        groups = [[one["operator"] for one in result["per_token"]["operators"]]
                  for result in (tokens, tiles)]
        self.assertEqual(groups[0], groups[1])

    def test_both_modes_take_the_same_time(self):
        functional = self.run_prompt("functional", "tiles")
        replay = "workload.replay_tokens=" + json.dumps(functional["tokens"])
        functional = self.run_prompt("functional", "tiles", replay)
        timing = self.run_prompt("timing", "tiles", replay, "data=timing")
        for key in ("text", "time", "operators", "kinds", "per_token", "firmware"):
            self.assertEqual(functional[key], timing[key], key)

    def test_the_result_has_the_operators_of_chunks_as_often_as_there_were_chunks(self):
        result = self.run_prompt("tiles", "tiles")
        before_last = len(result["prompt_tokens"]) - 1
        chunks = -(-before_last // CHUNK)
        found = self.operators_of_chunks(result)
        layers = result["model"]["layers"]
        self.assertEqual({one["layer"] for one in found if "layer" in one}, set(range(layers)))
        tiles = result["scenario"]["machine"]["sram_pim"]["tiles"]
        for one in found:
            self.assertEqual(one["commands"], chunks * tiles, one["name"])
            self.assertGreater(one["busy_s"], 0, one["name"])
        # Decode ran for the prompt's last token and for each generated one but the last.
        embedding = next(one for one in result["operators"] if one["name"] == "embedding")
        self.assertEqual(embedding["commands"], len(result["tokens"]))
        kinds = {one["kind"]: one["commands"] for one in result["kinds"]}
        for kind in {one["kind"] for one in found}:
            total = sum(one["commands"] for one in result["operators"] if one["kind"] == kind)
            self.assertEqual(kinds[kind], total, kind)

    def test_a_waveform_names_the_operators_of_chunks(self):
        result = self.run_prompt("wave", "tiles", "trace.vcd=true", "trace.stop_us=100000")
        with open(os.path.join(self.folder, "wave", "trace.vcd"), encoding="utf-8") as file:
            names = {line[1:].split()[0] for line in file if line.startswith("sprefill.")}
        self.assertEqual(names, {one["name"] for one in self.operators_of_chunks(result)})

    def test_all_logits_and_prompts_of_one_token_need_no_chunks(self):
        every = self.run_prompt("every", "auto", "workload.all_logits=true")
        self.assertEqual(self.operators_of_chunks(every), [])
        self.assertEqual(len(every["predictions"]),
                         len(every["prompt_tokens"]) - 1 + len(every["tokens"]))
        short = self.run_scenario(FIRST_LIGHT, "short", "schedule.prefill=tiles", MAPPING,
                                  "workload.prompt=", "workload.output_tokens=3")
        self.assertEqual(len(short["prompt_tokens"]), 1)
        self.assertEqual(self.operators_of_chunks(short), [])

    def test_what_cannot_be_done_is_said(self):
        words = ["schedule.prefill=tiles", MAPPING, "workload.all_logits=true"]
        done = self.tool("run", FIRST_LIGHT, *(part for one in words for part in ("--set", one)),
                         exit_code=2)
        self.assertIn("the tiles cannot process the prompt", done.stderr)
        self.assertIn("logits", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
