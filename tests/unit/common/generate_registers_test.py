"""The register generator: what it refuses and how it says so, and what it writes.

That the C++ it writes compiles is seen by the build, which includes every header."""

import copy
import json
import os
import pathlib
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.environ.get("HPIMVP_SCRIPTS",
                                  str(pathlib.Path(__file__).resolve().parents[3] / "scripts")))
import generate_registers  # noqa: E402

GOOD = {
    "block": "timer",
    "description": "Counts down.",
    "size": "0x100",
    "registers": [
        {"name": "CONTROL", "offset": "0x00", "width": 32, "access": "read-write", "reset": 1,
         "description": "Control.",
         "fields": [
             {"name": "ENABLE", "bits": [0, 0], "description": "Run."},
             {"name": "MODE", "bits": [3, 2], "description": "How.", "values": {"ONCE": 0, "REPEAT": 2}},
             {"name": "START", "bits": [4, 4], "access": "write-only", "description": "Go."},
             {"name": "DONE", "bits": [5, 5], "access": "write-1-to-clear", "description": "Over."}]},
        {"name": "COMPARE", "offset": 16, "width": 64, "access": "read-write", "reset": "0xFFFFFFFFFFFFFFFF",
         "description": "Per channel.", "count": 4, "stride": 8, "halves": True},
        {"name": "DATA", "offset": 4, "width": 8, "access": "read-only", "reset": 0, "description": "In."},
        {"name": "SEND", "offset": 4, "width": 8, "access": "write-only", "reset": 0, "description": "Out.",
         "alternate_of": "DATA"},
    ],
    "structures": [
        {"name": "Header", "size": 4, "description": "First.",
         "fields": [{"name": "kind", "offset": 0, "type": "u32", "description": "Kind."}]},
        {"name": "Message", "size": 24, "description": "A | B.", "constants": {"MAX_LENGTH": 3},
         "fields": [
             {"name": "header", "offset": 0, "type": "Header", "description": "Header."},
             {"name": "scale", "offset": 4, "type": "f32", "description": "Scale."},
             {"name": "words", "offset": 8, "type": "u64", "count": 2, "description": "Payload."}]},
    ],
}


class Project:
    """A source tree with descriptions and what the generator makes of it."""

    def __init__(self, test, blocks, machine=None):
        directory = tempfile.TemporaryDirectory()
        test.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.map = None
        for place, block in blocks.items():
            path = self.root / "models" / f"{place}.registers.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block if isinstance(block, str) else json.dumps(block))
        if machine is not None:
            self.map = self.root / "map.json"
            self.map.write_text(json.dumps(machine))

    def generate(self):
        return generate_registers.generate(self.root, self.root / "out", self.map)

    def text(self, name):
        return (self.root / "out" / "generated" / name).read_text()


def changed(path, value):
    """GOOD with the value at a path ("registers/0/width") replaced; None removes it."""
    block = copy.deepcopy(GOOD)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = block
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return block


class Refusals(unittest.TestCase):
    def refuses(self, block, *expected):
        project = Project(self, {"clock/timer": block})
        with self.assertRaises(generate_registers.DescriptionError) as caught:
            project.generate()
        for part in ("models/clock/timer.registers.json", *expected):
            self.assertIn(part, str(caught.exception))

    def test_each_mistake_is_named_with_its_place(self):
        cases = [
            ("registers/0/width", 24, ["/registers/0/width", "24", "8, 16, 32, 64"]),
            ("registers/0/access", "rw", ["/registers/0/access", "'rw'", "read-write"]),
            ("registers/0/colour", "red", ["/registers/0", "unknown key 'colour'", "allowed: name"]),
            ("registers/0/reset", None, ["/registers/0", "'reset' is missing"]),
            ("registers/0/reset", 1 << 32, ["/registers/0/reset", "out of range"]),
            ("registers/0/reset", 0x100, ["/registers/0/reset", "outside the fields"]),
            ("registers/0/reset", True, ["/registers/0/reset", "no number"]),
            ("registers/0/offset", "sixteen", ["/registers/0/offset", "no number"]),
            ("registers/0/offset", 2, ["/registers/0/offset", "multiple"]),
            ("registers/0/offset", 0x100, ["/registers/0/offset", "0 to 255"]),
            ("registers/0/offset", 16, ["offset", "overlaps"]),
            ("registers/0/name", "control", ["/registers/0/name", "register name"]),
            ("registers/0/name", "DATA", ["the register 'DATA' exists"]),
            ("registers/0/description", " ", ["/registers/0/description", "string"]),
            ("registers/0/halves", True, ["/registers/0/halves", "64 bits"]),
            ("registers/0/fields", [], ["/registers/0/fields", "at least one"]),
            ("registers/0/fields/0/bits", [0], ["/registers/0/fields/0/bits", "[high, low]"]),
            ("registers/0/fields/0/bits", [32, 0], ["/registers/0/fields/0/bits/0", "0 to 31"]),
            ("registers/0/fields/0/bits", [0, 1], ["/registers/0/fields/0/bits/1", "0 to 0"]),
            ("registers/0/fields/0/bits", [2, 0], ["/registers/0/fields/1/bits", "overlaps the field ENABLE"]),
            ("registers/0/fields/0/name", "MODE", ["/registers/0/fields/1/name", "exists"]),
            ("registers/0/fields/1/values", {}, ["/registers/0/fields/1/values", "at least one"]),
            ("registers/0/fields/1/values/REPEAT", 4, ["/registers/0/fields/1/values/REPEAT", "0 to 3"]),
            ("registers/0/fields/1/values/REPEAT", 0, ["REPEAT", "has a name already"]),
            ("registers/2/fields", [{"name": "X", "bits": [0, 0], "access": "read-write", "description": "x"}],
             ["/registers/2/fields/0/access", "allowed: read-only"]),
            ("registers/1/count", 40, ["/registers/1/offset", "beyond the block's size"]),
            ("registers/1/stride", 4, ["/registers/1/stride", "out of range"]),
            ("registers/0/stride", 4, ["/registers/0/stride", "together with 'count'"]),
            ("registers/3/alternate_of", "CONTROL", ["/registers/3/alternate_of", "CONTROL"]),
            ("registers/3/alternate_of", None, ["offset", "overlaps the register DATA"]),
            ("structures/1/size", 32, ["/structures/1/size", "24 bytes"]),
            ("structures/1/fields/1/offset", 8, ["/structures/1/fields/1/offset", "4 follows"]),
            ("structures/1/fields/1/type", "double", ["/structures/1/fields/1/type", "'double'", "u8"]),
            ("structures/1/fields/1/type", "u64", ["/structures/1/fields/1/offset", "multiple of 8"]),
            ("structures/1/fields/1/name", "class", ["/structures/1/fields/1/name", "keyword"]),
            ("structures/1/name", "Header", ["/structures/1/name", "exists"]),
            ("size", 0, ["/size", "out of range"]),
            ("block", "clock", ["/block", "timer.registers.json"]),
            ("include", [{"file": "none.registers.json", "offset": 0}], ["/include/0/file", "no file"]),
        ]
        for path, value, expected in cases:
            with self.subTest(path=path, value=value):
                self.refuses(changed(path, value), *expected)

    def test_text_that_is_not_json_is_named_with_line_and_column(self):
        self.refuses('{\n  "block": timer }', "timer.registers.json:2:12")

    def test_a_key_given_twice_is_refused(self):
        self.refuses('{"block": "timer", "block": "timer"}', "'block' is given twice")

    def test_the_command_reports_and_returns_2(self):
        project = Project(self, {"clock/timer": changed("size", 0)})
        with open(os.devnull, "w") as sink, unittest.mock.patch("sys.stderr", sink):
            code = generate_registers.main(["--source", str(project.root), "--output", str(project.root / "out")])
        self.assertEqual(code, 2)


class Includes(unittest.TestCase):
    OUTER = {"block": "engine", "description": "Has a timer.", "size": "0x200",
             "include": [{"file": "../clock/timer.registers.json", "offset": "0x100"}],
             "registers": [{"name": "STATE", "offset": 0, "width": 32, "access": "read-only", "reset": 0,
                            "description": "State."}],
             "structures": [{"name": "Job", "size": 8, "description": "Job.",
                             "fields": [{"name": "header", "offset": 0, "type": "Header", "description": "H."},
                                        {"name": "size", "offset": 4, "type": "u32", "description": "S."}]}]}

    def outer(self, **changes):
        return {**copy.deepcopy(self.OUTER), **changes}

    def test_the_including_block_has_the_registers_and_structures(self):
        project = Project(self, {"clock/timer": GOOD, "motor/engine": self.OUTER})
        project.generate()
        header = project.text("models/motor/engine_registers.h")
        self.assertIn('#include "generated/models/clock/timer_registers.h"', header)
        self.assertIn('{"CONTROL", 0x100,', header)
        self.assertIn("kTimerOffset = 0x100;", header)
        self.assertIn("clock::timer_registers::Header header;", header)
        self.assertIn("hal::timer::Registers timer() const", project.text("firmware/hal/engine.h"))
        self.assertIn("| 0x100 | CONTROL | 32 |", project.text("docs/engine.md"))

    def refuses(self, outer, expected):
        project = Project(self, {"clock/timer": GOOD, "motor/engine": outer})
        with self.assertRaisesRegex(generate_registers.DescriptionError, expected):
            project.generate()

    def test_overlaps_and_name_clashes_with_an_included_block_are_refused(self):
        register = self.OUTER["registers"][0]
        self.refuses(self.outer(registers=[{**register, "offset": 0x110}]), "overlaps the register")
        self.refuses(self.outer(registers=[{**register, "name": "CONTROL"}]), "'CONTROL' exists")
        self.refuses(self.outer(size="0x180"), "timer reaches beyond")
        self.refuses(self.outer(include=[{"file": "../clock/timer.registers.json", "offset": 4}]), "multiple of 8")


class Output(unittest.TestCase):
    MACHINE = [{"block": "timer", "name": "timer", "address": "0x1000", "size": "0x100", "count": 3,
                "stride": "0x100", "interrupt": 4, "interrupt_stride": 2}]

    def setUp(self):
        self.project = Project(self, {"clock/timer": GOOD}, self.MACHINE)
        self.project.generate()

    def test_the_table_says_what_happens_to_each_bit(self):
        header = " ".join(self.project.text("models/clock/timer_registers.h").split())
        # Readable: ENABLE, MODE, DONE; stored: ENABLE, MODE; cleared by 1: DONE.
        self.assertIn('{"CONTROL", 0x0, 4, common::Access::kReadWrite, 0x1ULL, 0x2dULL, 0xdULL, 0x20ULL, 1, 0x0, '
                      "false, detail::kControlFields}", header)
        self.assertIn('{"COMPARE", 0x10, 8, common::Access::kReadWrite, 0xffffffffffffffffULL, '
                      "0xffffffffffffffffULL, 0xffffffffffffffffULL, 0x0ULL, 4, 0x8, true, {}}", header)

    def test_firmware_gets_only_the_accesses_that_the_register_allows(self):
        header = self.project.text("firmware/hal/timer.h")
        self.assertIn("std::uint8_t read_data() const", header)
        self.assertNotIn("write_data", header)
        self.assertIn("void write_send(std::uint8_t value) const", header)
        self.assertNotIn("read_send", header)
        self.assertIn("read_compare(std::uint32_t index) const", header)
        self.assertNotIn("get_control_start", header)
        self.assertIn("constexpr ControlMode get_control_mode(std::uint32_t register_value)", header)

    def test_svd_places_every_instance(self):
        root = ElementTree.fromstring(self.project.text("hpim.svd"))
        found = [(one.findtext("name"), int(one.findtext("baseAddress"), 16), int(one.findtext("interrupt/value")),
                  one.get("derivedFrom")) for one in root.iter("peripheral")]
        self.assertEqual(found, [("timer0", 0x1000, 4, None), ("timer1", 0x1100, 6, "timer0"),
                                 ("timer2", 0x1200, 8, "timer0")])
        done = next(one for one in root.iter("field") if one.findtext("name") == "DONE")
        self.assertEqual(done.findtext("modifiedWriteValues"), "oneToClear")

    def test_a_map_with_overlaps_or_unknown_blocks_is_refused(self):
        for change, expected in [({"stride": "0x100", "size": "0x200"}, "stride"), ({"block": "clock"}, "timer"),
                                 ({"size": "0x80"}, "less than the block's size"), ({"irq": 1}, "unknown key 'irq'")]:
            with self.subTest(change=change):
                project = Project(self, {"clock/timer": GOOD}, [{**self.MACHINE[0], **change}])
                with self.assertRaisesRegex(generate_registers.DescriptionError, expected):
                    project.generate()
        twins = [{**self.MACHINE[0]}, {**self.MACHINE[0], "name": "other", "address": "0x1200"}]
        with self.assertRaisesRegex(generate_registers.DescriptionError, "overlap at 0x1200"):
            Project(self, {"clock/timer": GOOD}, twins).generate()

    def test_files_whose_content_stays_the_same_are_not_touched(self):
        path = self.project.root / "out/generated/models/clock/timer_registers.h"
        os.utime(path, (1, 1))
        self.project.generate()
        self.assertEqual(path.stat().st_mtime, 1)


if __name__ == "__main__":
    unittest.main()
