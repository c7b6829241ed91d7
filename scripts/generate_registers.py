#!/usr/bin/env python3
"""Generates everything that repeats a register description from models/*/*.registers.json.

    generate_registers.py --source ROOT --output BUILD [--map platform/hpim/default_map.json]

Writes below BUILD/generated:
    models/<folder>/<block>_registers.h   constants, structures and tables for the models
    firmware/hal/<block>.h                freestanding header for firmware
    docs/<block>.md                       register table
    hpim.svd                              CMSIS-SVD of the machine that --map places in memory

A file is touched only if its content changes. A description that is not exactly in the format is
an error (exit code 2) which names the file, the JSON pointer and what is allowed. Standard library
only.

The format: docs/registers.md.
"""

import argparse
import json
import pathlib
import re
import sys
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

ACCESSES = ["read-only", "read-write", "write-only", "write-1-to-clear"]
# What fields a register of an access may have.
FIELD_ACCESSES = {
    "read-only": ["read-only"],
    "read-write": ACCESSES,
    "write-only": ["write-only"],
    "write-1-to-clear": ["read-only", "write-1-to-clear"],
}
CPP_ACCESS = {
    "read-only": "kReadOnly",
    "read-write": "kReadWrite",
    "write-only": "kWriteOnly",
    "write-1-to-clear": "kWrite1ToClear",
}
SCALAR_BYTES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i32": 4, "f32": 4}
SCALAR_CPP = {
    "u8": "std::uint8_t", "u16": "std::uint16_t", "u32": "std::uint32_t",
    "u64": "std::uint64_t", "i32": "std::int32_t", "f32": "float",
}
UPPER = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
LOWER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
CPP_KEYWORDS = set(
    "alignas alignof and asm auto bool break case catch char class concept const constexpr continue "
    "default delete do double else enum explicit export extern false float for friend goto if inline "
    "int long mutable namespace new not operator or private protected public register requires return "
    "short signed sizeof static struct switch template this throw true try typedef typeid typename "
    "union unsigned using virtual void volatile while xor".split())


class DescriptionError(Exception):
    """A description that breaks the format: file, JSON pointer, reason."""

    def __init__(self, file, pointer, message):
        super().__init__(f"{file}: at {pointer or '/'}: {message}")


# ---------------------------------------------------------------------------------------------
# The description as typed objects


@dataclass
class Field:
    name: str
    high: int
    low: int
    access: str
    description: str
    values: dict

    @property
    def mask(self):
        return ((1 << (self.high - self.low + 1)) - 1) << self.low


@dataclass
class Register:
    name: str
    offset: int
    width: int
    access: str
    reset: int
    description: str
    count: int
    stride: int
    halves: bool
    alternate_of: str
    fields: list
    pointer: str
    origin: str = ""  # the included block that it comes from

    @property
    def bytes(self):
        return self.width // 8

    def bits(self, *accesses):
        """Mask of the bits whose access is one of `accesses`."""
        if not self.fields:
            return (1 << self.width) - 1 if self.access in accesses else 0
        mask = 0
        for one in self.fields:
            if one.access in accesses:
                mask |= one.mask
        return mask

    @property
    def readable(self):
        return self.access != "write-only"

    @property
    def writable(self):
        return self.access != "read-only"


@dataclass
class StructField:
    name: str
    offset: int
    type: str
    count: int
    description: str


@dataclass
class Structure:
    name: str
    size: int
    description: str
    constants: dict
    fields: list
    alignment: int = 1


@dataclass
class Include:
    block: "Block"
    offset: int


@dataclass
class Block:
    name: str
    folder: str
    source: str
    description: str
    size: int
    includes: list = field(default_factory=list)
    registers: list = field(default_factory=list)
    structures: list = field(default_factory=list)

    def all_registers(self):
        """(absolute offset, register) by ascending offset, included ones too."""
        found = [(one.offset, one) for one in self.registers]
        for include in self.includes:
            found += [(include.offset + offset, one) for offset, one in include.block.all_registers()]
        return sorted(found, key=lambda pair: pair[0])

    def find_structure(self, name):
        """(block, structure), or None."""
        for one in self.structures:
            if one.name == name:
                return self, one
        for include in self.includes:
            found = include.block.find_structure(name)
            if found:
                return found
        return None


# ---------------------------------------------------------------------------------------------
# Reading and validation


def unique_object(file):
    """An object_pairs_hook that refuses a key given twice (the json module keeps the last)."""

    def build(pairs):
        result = {}
        for key, value in pairs:
            if key in result:
                raise DescriptionError(file, "", f"the key '{key}' is given twice in one object")
            result[key] = value
        return result

    return build


def load_json(path, shown):
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_object(shown))
    except OSError as error:
        raise DescriptionError(shown, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(shown, "", f"is not UTF-8 text: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise DescriptionError(f"{shown}:{error.lineno}:{error.colno}", "", f"not JSON: {error.msg}") from error


class Node:
    """A JSON value and where it stands, with accessors that complain precisely."""

    def __init__(self, value, file, pointer=""):
        self.value, self.file, self.pointer = value, file, pointer

    def fail(self, message):
        raise DescriptionError(self.file, self.pointer, message)

    def child(self, key):
        return Node(self.value[key], self.file, f"{self.pointer}/{key}")

    def __contains__(self, key):
        return key in self.value

    def object(self, required, optional=()):
        if not isinstance(self.value, dict):
            self.fail("an object is needed")
        for key in self.value:
            if key not in required and key not in optional:
                self.fail(f"unknown key '{key}'; allowed: {', '.join([*required, *optional])}")
        for key in required:
            if key not in self.value:
                self.fail(f"the key '{key}' is missing")
        return self

    def items(self):
        if not isinstance(self.value, list):
            self.fail("an array is needed")
        return [self.child(index) for index in range(len(self.value))]

    def text(self):
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("a string that is not empty is needed")
        return self.value

    def name(self, pattern, what):
        if not isinstance(self.value, str) or not pattern.fullmatch(self.value):
            self.fail(f"{self.value!r} is no {what} (must match {pattern.pattern})")
        return self.value

    def one_of(self, allowed):
        if self.value not in allowed or isinstance(self.value, bool):
            self.fail(f"{self.value!r} is not allowed; allowed: {', '.join(map(str, allowed))}")
        return self.value

    def flag(self):
        if not isinstance(self.value, bool):
            self.fail("true or false is needed")
        return self.value

    def number(self, low, high):
        value = self.value
        if isinstance(value, str) and re.fullmatch(r"0x[0-9A-Fa-f]+", value):
            value = int(value, 16)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"{self.value!r} is no number; allowed: an integer or a string like \"0x1F\"")
        if not low <= value <= high:
            self.fail(f"{value} is out of range; allowed: {low} to {high} ({high:#x})")
        return value


def optional_number(node, key, default, low, high):
    return node.child(key).number(low, high) if key in node else default


def check_unique(nodes, key, what):
    seen = set()
    for node in nodes:
        value = node.value[key]
        if value in seen:
            node.child(key).fail(f"the {what} '{value}' exists already")
        seen.add(value)


def parse_values(node, width):
    values = {}
    node.object(list(node.value) if isinstance(node.value, dict) else [])
    for key in node.value:
        Node(key, node.file, f"{node.pointer}/{key}").name(UPPER, "value name")
        number = node.child(key).number(0, (1 << width) - 1)
        if number in values.values():
            node.child(key).fail(f"the value {number} has a name already")
        values[key] = number
    if not values:
        node.fail("at least one value is needed")
    return values


def parse_field(node, register_width, register_access):
    node.object(["name", "bits", "description"], ["access", "values"])
    name = node.child("name").name(UPPER, "field name")
    bits = node.child("bits").items()
    if len(bits) != 2:
        node.child("bits").fail("two numbers [high, low] are needed")
    high = bits[0].number(0, register_width - 1)
    low = bits[1].number(0, high)
    access = register_access
    if "access" in node:
        access = node.child("access").one_of(FIELD_ACCESSES[register_access])
    values = parse_values(node.child("values"), high - low + 1) if "values" in node else {}
    return Field(name, high, low, access, node.child("description").text(), values)


def parse_fields(node, width, access):
    nodes = node.items()
    if not nodes:
        node.fail("at least one field is needed (leave the key out otherwise)")
    fields = [parse_field(one, width, access) for one in nodes]
    check_unique(nodes, "name", "field")
    used = {}
    for one, parsed in zip(nodes, fields):
        for other_name, other_mask in used.items():
            if parsed.mask & other_mask:
                one.child("bits").fail(f"overlaps the field {other_name}")
        used[parsed.name] = parsed.mask
    return fields


def parse_register(node, block_size):
    node.object(["name", "offset", "width", "access", "reset", "description"],
                ["count", "stride", "fields", "halves", "alternate_of"])
    name = node.child("name").name(UPPER, "register name")
    width = node.child("width").one_of([8, 16, 32, 64])
    access = node.child("access").one_of(ACCESSES)
    offset = node.child("offset").number(0, block_size - 1)
    if offset % (width // 8):
        node.child("offset").fail(f"{offset:#x} is not a multiple of the register's {width // 8} bytes")
    count = optional_number(node, "count", 1, 2, 1 << 16)
    stride = width // 8 if count > 1 else 0
    if "stride" in node:
        if count == 1:
            node.child("stride").fail("is allowed only together with 'count'")
        stride = node.child("stride").number(width // 8, block_size)
        if stride % (width // 8):
            node.child("stride").fail(f"must be a multiple of the register's {width // 8} bytes")
    if offset + (count - 1) * stride + width // 8 > block_size:
        node.child("offset").fail(f"reaches beyond the block's size {block_size:#x}")
    halves = node.child("halves").flag() if "halves" in node else False
    if halves and width != 64:
        node.child("halves").fail("is allowed only for a register of 64 bits")
    fields = parse_fields(node.child("fields"), width, access) if "fields" in node else []
    register = Register(
        name, offset, width, access, node.child("reset").number(0, (1 << width) - 1),
        node.child("description").text(), count, stride, halves,
        node.child("alternate_of").name(UPPER, "register name") if "alternate_of" in node else "",
        fields, node.pointer)
    if fields and register.reset & ~register.bits(*ACCESSES):
        node.child("reset").fail("has bits outside the fields")
    return register


def parse_structure_field(node, block, expected_offset):
    node.object(["name", "offset", "type", "description"], ["count"])
    name = node.child("name").name(LOWER, "field name")
    if name in CPP_KEYWORDS:
        node.child("name").fail(f"'{name}' is a C++ keyword")
    type_name = node.child("type").value
    if isinstance(type_name, str) and type_name in SCALAR_BYTES:
        size = alignment = SCALAR_BYTES[type_name]
    else:
        found = block.find_structure(type_name)
        if not found:
            node.child("type").fail(
                f"{type_name!r} is no type; allowed: {', '.join(SCALAR_BYTES)} or a structure defined before")
        size, alignment = found[1].size, found[1].alignment
    count = optional_number(node, "count", 0, 1, 1 << 16)
    offset = node.child("offset").number(0, 1 << 16)
    if offset != expected_offset:
        node.child("offset").fail(
            f"{offset} leaves a gap or overlaps: {expected_offset} follows the field before "
            "(reserved bytes are fields too)")
    if offset % alignment:
        node.child("offset").fail(f"must be a multiple of {alignment}, the type's alignment")
    parsed = StructField(name, offset, type_name, count, node.child("description").text())
    return parsed, size * max(count, 1), alignment


def parse_structure(node, block):
    node.object(["name", "size", "description", "fields"], ["constants"])
    name = node.child("name").name(PASCAL, "structure name")
    if block.find_structure(name):
        node.child("name").fail(f"the structure '{name}' exists already")
    structure = Structure(name, node.child("size").number(1, 1 << 16), node.child("description").text(), {}, [])
    if "constants" in node:
        constants = node.child("constants")
        constants.object(list(constants.value) if isinstance(constants.value, dict) else [])
        for key in constants.value:
            Node(key, node.file, f"{constants.pointer}/{key}").name(UPPER, "constant name")
            structure.constants[key] = constants.child(key).number(0, (1 << 64) - 1)
    end = 0
    field_nodes = node.child("fields").items()
    for one in field_nodes:
        parsed, size, alignment = parse_structure_field(one, block, end)
        structure.fields.append(parsed)
        structure.alignment = max(structure.alignment, alignment)
        end += size
    check_unique(field_nodes, "name", "field")
    if end != structure.size:
        node.child("size").fail(f"{structure.size} does not match the fields, which take {end} bytes")
    if end % structure.alignment:
        node.child("size").fail(f"must be a multiple of {structure.alignment}, the structure's alignment")
    return structure


def check_overlaps(block, path_shown):
    owner = {}
    by_name = {}
    for offset, register in block.all_registers():
        pointer = register.pointer if not register.origin else "/include"
        if register.name in by_name:
            raise DescriptionError(path_shown, pointer, f"the register '{register.name}' exists already")
        by_name[register.name] = register
        if register.alternate_of:
            target = next((one for one in block.registers if one.name == register.alternate_of), None)
            if not register.origin and (target is None or target.offset != register.offset or target.alternate_of):
                raise DescriptionError(path_shown, f"{pointer}/alternate_of",
                                       f"no register '{register.alternate_of}' at {register.offset:#x}")
            continue
        for index in range(register.count):
            for byte in range(register.bytes):
                address = offset + index * register.stride + byte
                if address in owner:
                    raise DescriptionError(path_shown, f"{pointer}/offset",
                                           f"overlaps the register {owner[address]} at {address:#x}")
                owner[address] = register.name


class Loader:
    """Reads descriptions, each once, with the blocks that they include."""

    def __init__(self, root):
        self.root = root
        self.blocks = {}

    def load(self, path):
        path = path.resolve()
        if path in self.blocks:
            return self.blocks[path]
        shown = str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)
        node = Node(load_json(path, shown), shown)
        node.object(["block", "description", "size"], ["include", "registers", "structures"])
        name = node.child("block").name(LOWER, "block name")
        if path.name != f"{name}.registers.json":
            node.child("block").fail(f"the block must have the file's name, which is {path.name}")
        block = Block(name, path.parent.name, shown, node.child("description").text(),
                      node.child("size").number(1, 1 << 31))
        if "include" in node:
            self.parse_includes(node.child("include"), block, path)
        if "registers" in node:
            nodes = node.child("registers").items()
            block.registers = [parse_register(one, block.size) for one in nodes]
        if "structures" in node:
            for one in node.child("structures").items():
                block.structures.append(parse_structure(one, block))
        check_overlaps(block, shown)
        self.blocks[path] = block
        return block

    def parse_includes(self, node, block, path):
        for one in node.items():
            one.object(["file", "offset"])
            target = path.parent / one.child("file").text()
            if not target.is_file():
                one.child("file").fail(f"there is no file {one.value['file']}")
            raw = load_json(target, str(target))
            if isinstance(raw, dict) and "include" in raw:
                one.child("file").fail("a block that is included must not include others")
            included = self.load(target)
            offset = one.child("offset").number(0, block.size - 1)
            if offset % 8:
                one.child("offset").fail("must be a multiple of 8")
            if offset + included.size > block.size:
                one.child("offset").fail(f"the block {included.name} reaches beyond the size {block.size:#x}")
            for register in included.registers:
                register.origin = included.name
            block.includes.append(Include(included, offset))


@dataclass
class Instance:
    block: Block
    name: str
    address: int
    size: int
    interrupt: int


def load_map(path, blocks):
    """The block instances of a machine, arrays expanded."""
    by_name = {one.name: one for one in blocks}
    instances = []
    root = Node(load_json(path, str(path)), str(path))
    for node in root.items():
        node.object(["block", "name", "address", "size"],
                    ["count", "stride", "interrupt", "interrupt_stride", "memory"])
        block = by_name[node.child("block").one_of(sorted(by_name))]
        name = node.child("name").name(LOWER, "instance name")
        address = node.child("address").number(0, (1 << 56) - 1)
        size = node.child("size").number(1, 1 << 32)
        if size < block.size:
            node.child("size").fail(f"is less than the block's size {block.size:#x}")
        count = optional_number(node, "count", 1, 1, 4096)
        stride = optional_number(node, "stride", 0, size, 1 << 40)
        interrupt = optional_number(node, "interrupt", 0, 1, 1023)
        interrupt_stride = optional_number(node, "interrupt_stride", 0, 0, 1023)
        if "count" in node and "stride" not in node:
            node.fail("'count' needs 'stride'")
        if "memory" in node:
            memory = node.child("memory").object(["address", "size"], ["stride"])
            memory.child("address").number(0, (1 << 56) - 1)
            memory.child("size").number(1, 1 << 40)
        for index in range(count):
            instances.append(Instance(
                block, f"{name}{index}" if "count" in node else name, address + index * stride, size,
                interrupt + index * interrupt_stride if interrupt else 0))
    seen = set()
    for one in instances:
        if one.name in seen:
            root.fail(f"the instance '{one.name}' exists twice")
        seen.add(one.name)
    instances.sort(key=lambda one: one.address)
    for first, second in zip(instances, instances[1:]):
        if first.address + first.size > second.address:
            root.fail(f"{first.name} and {second.name} overlap at {second.address:#x}")
    return instances


# ---------------------------------------------------------------------------------------------
# Output


def pascal(upper_name):
    return "".join(part.capitalize() for part in upper_name.split("_"))


def qualified(register, one):
    """REGISTER_FIELD without saying a word twice: ERROR_CODE + CODE is ERROR_CODE."""
    if register.name == one.name or register.name.endswith("_" + one.name):
        return register.name
    return f"{register.name}_{one.name}"


def unsigned(width):
    return f"std::uint{width}_t"


def literal(value, width):
    return f"{value:#x}{'ULL' if width == 64 else 'U' if width == 32 else ''}"


def comment(text, indent=""):
    """A description as // lines of at most 100 columns."""
    lines, line = [], ""
    for word in text.split():
        if line and len(indent) + 3 + len(line) + 1 + len(word) > 100:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join(f"{indent}// {one}" for one in [*lines, line])


def enum_lines(block):
    out = []
    for register in block.registers:
        for one in register.fields:
            if one.values:
                out.append(comment(f"{register.name}.{one.name}: {one.description}"))
                out.append(f"enum class {pascal(qualified(register, one))} : "
                           f"{unsigned(64 if one.high - one.low >= 32 else 32)} {{")
                out += [f"  k{pascal(key)} = {value}," for key, value in one.values.items()]
                out += ["};", ""]
    return out


def structure_lines(block, namespace_of, offset_of):
    """The structures; `namespace_of(block)` qualifies a type of an included block."""
    out = []
    for structure in block.structures:
        out += [comment(structure.description), f"struct {structure.name} {{"]
        for key, value in structure.constants.items():
            width = 64 if value >= 1 << 32 else 32
            out.append(f"  static constexpr {unsigned(width)} k{pascal(key)} = {value}{'ULL' if width == 64 else 'U'};")
        if structure.constants:
            out.append("")
        for one in structure.fields:
            out.append(comment(one.description, "  "))
            if one.type in SCALAR_CPP:
                type_name = SCALAR_CPP[one.type]
            else:
                owner = block.find_structure(one.type)[0]
                type_name = one.type if owner is block else f"{namespace_of(owner)}::{one.type}"
            suffix = f"[{one.count}]" if one.count else ""
            out.append(f"  {type_name} {one.name}{suffix};")
        out.append("};")
        out.append(f"static_assert(sizeof({structure.name}) == {structure.size});")
        out += [f"static_assert({offset_of}({structure.name}, {one.name}) == {one.offset});"
                for one in structure.fields]
        out.append("")
    return out


def register_constants(block):
    out = []
    for register in block.registers:
        name = pascal(register.name)
        out.append(comment(f"{register.name} ({register.access}, {register.width} bits): {register.description}"))
        out.append(f"inline constexpr std::uint32_t k{name}Offset = {register.offset:#x};")
        if register.count > 1:
            out.append(f"inline constexpr std::uint32_t k{name}Count = {register.count};")
            out.append(f"inline constexpr std::uint32_t k{name}Stride = {register.stride:#x};")
        for one in register.fields:
            field_name = pascal(qualified(register, one))
            out.append(comment(f"{one.name}: {one.description}"))
            out.append(f"inline constexpr {unsigned(register.width)} k{field_name}Mask = "
                       f"{literal(one.mask, register.width)};")
            out.append(f"inline constexpr unsigned k{field_name}Shift = {one.low};")
        out.append("")
    return out


def register_table(block):
    """The table that RegisterBlock reads, with the registers of included blocks."""
    out = ["namespace detail {"]
    entries = []
    for offset, register in block.all_registers():
        fields = "{}"
        if register.fields:
            fields = f"detail::k{pascal(register.name)}Fields"
            out.append(f"inline constexpr common::FieldInfo k{pascal(register.name)}Fields[] = {{")
            out += [f'    {{"{one.name}", {one.high}, {one.low}, common::Access::{CPP_ACCESS[one.access]}}},'
                    for one in register.fields]
            out.append("};")
        readable = register.bits("read-only", "read-write", "write-1-to-clear")
        entries.append(
            f'    {{"{register.name}", {offset:#x}, {register.bytes}, common::Access::{CPP_ACCESS[register.access]}, '
            f"{register.reset:#x}ULL,\n     {readable:#x}ULL, {register.bits('read-write'):#x}ULL, "
            f"{register.bits('write-1-to-clear'):#x}ULL, {register.count}, {register.stride:#x}, "
            f"{'true' if register.halves else 'false'}, {fields}}},")
    out += ["}  // namespace detail", ""]
    out.append(f"inline constexpr std::array<common::RegisterInfo, {len(entries)}> kRegisters = {{{{")
    out += entries
    out += ["}};", "",
            f'inline constexpr common::BlockInfo kBlock = {{"{block.name}", {block.size:#x}, kRegisters}};']
    return out


def head(block, purpose):
    return [f"// {purpose}",
            f"// Generated from {block.source} by scripts/generate_registers.py.", "#pragma once", ""]


def model_header(block):
    def namespace_of(other):
        return f"{other.folder}::{other.name}_registers"

    out = head(block, f"Registers of the block {block.name}, for its model.")
    out += ["#include <array>", "#include <cstddef>", "#include <cstdint>", ""]
    out += [f'#include "generated/models/{one.block.folder}/{one.block.name}_registers.h"' for one in block.includes]
    out += ['#include "models/common/register_info.h"', "",
            comment(block.description),
            f"namespace hpimvp::{block.folder}::{block.name}_registers {{", "",
            f"inline constexpr std::uint32_t kBlockBytes = {block.size:#x};"]
    for include in block.includes:
        out.append(f"// Where the registers of {namespace_of(include.block)} stand.")
        out.append(f"inline constexpr std::uint32_t k{pascal(include.block.name.upper())}Offset = {include.offset:#x};")
    out.append("")
    out += enum_lines(block) + register_constants(block) + structure_lines(block, namespace_of, "offsetof")
    out += register_table(block)
    out += ["", f"}}  // namespace hpimvp::{block.folder}::{block.name}_registers"]
    return "\n".join(out) + "\n"


def firmware_accessors(register):
    name, kind = register.name.lower(), unsigned(register.width)
    index = "std::uint32_t index" if register.count > 1 else ""
    place = f"{register.offset:#x}" + (f" + index * {register.stride:#x}" if register.count > 1 else "")
    out = [comment(f"{register.name}: {register.description}", "  ")]
    if register.readable:
        out.append(f"  {kind} read_{name}({index}) const {{ return *at<{kind}>({place}); }}")
    if register.writable:
        comma = ", " if index else ""
        out.append(f"  void write_{name}({index}{comma}{kind} value) const {{ *at<{kind}>({place}) = value; }}")
    return out


def firmware_fields(block):
    """For each field: its mask, a reader of a register value, a maker of register bits."""
    out = []
    for register in block.registers:
        for one in register.fields:
            name = qualified(register, one)
            kind = unsigned(register.width)
            value_kind = pascal(name) if one.values else kind
            out.append(comment(f"{register.name}.{one.name}: {one.description}"))
            out.append(f"inline constexpr {kind} k{pascal(name)}Mask = {literal(one.mask, register.width)};")
            if one.access != "write-only":
                out += [f"constexpr {value_kind} get_{name.lower()}({kind} register_value) {{",
                        f"  return static_cast<{value_kind}>((register_value & k{pascal(name)}Mask) >> {one.low});",
                        "}"]
            if one.access != "read-only":
                out += [f"constexpr {kind} make_{name.lower()}({value_kind} field_value) {{",
                        f"  return static_cast<{kind}>((static_cast<{kind}>(field_value) << {one.low}) & "
                        f"k{pascal(name)}Mask);", "}"]
            out.append("")
    return out


def firmware_header(block):
    def namespace_of(other):
        return f"hal::{other.name}"

    out = head(block, f"Registers of the block {block.name}, for firmware: freestanding C++20.")
    out += ["#include <cstdint>", ""]
    out += [f'#include "hal/{one.block.name}.h"' for one in block.includes]
    out += ["", comment(block.description), f"namespace hal::{block.name} {{", ""]
    out += enum_lines(block) + firmware_fields(block) + structure_lines(block, namespace_of, "__builtin_offsetof")
    out += ["// The registers at an address.", "class Registers {", " public:",
            "  explicit Registers(std::uintptr_t base) : base_(base) {}", ""]
    for include in block.includes:
        out += [f"  {namespace_of(include.block)}::Registers {include.block.name}() const {{",
                f"    return {namespace_of(include.block)}::Registers(base_ + {include.offset:#x});", "  }", ""]
    for register in block.registers:
        if register.count > 1:
            out.append(f"  static constexpr std::uint32_t k{pascal(register.name)}Count = {register.count};")
        out += firmware_accessors(register)
    out += ["", " private:", "  template <typename T>",
            "  volatile T* at(std::uintptr_t offset) const {",
            "    return reinterpret_cast<volatile T*>(base_ + offset);", "  }", "",
            "  std::uintptr_t base_;", "};", "", f"}}  // namespace hal::{block.name}"]
    return "\n".join(out) + "\n"


def table_cell(text):
    return text.replace("|", "\\|")


def document(block):
    out = [f"# {block.name}", "", block.description, "", f"Size {block.size:#x} bytes. Source: `{block.source}`.", "",
           "| offset | register | width | access | reset | description |", "| --- | --- | --- | --- | --- | --- |"]
    for offset, one in block.all_registers():
        place = f"{offset:#05x}"
        if one.count > 1:
            place += f" + {one.stride:#x} * i, i < {one.count}"
        note = f" (in {one.origin})" if one.origin and one not in block.registers else ""
        if one.alternate_of:
            note += f" (shares its offset with {one.alternate_of})"
        out.append(f"| {place} | {one.name} | {one.width} | {one.access} | {one.reset:#x} | "
                   f"{table_cell(one.description)}{note} |")
    with_fields = [one for one in block.registers if one.fields]
    if with_fields:
        out += ["", "## Fields", "", "| register | field | bits | access | description |",
                "| --- | --- | --- | --- | --- |"]
    for register in with_fields:
        for one in register.fields:
            bits = f"{one.high}:{one.low}" if one.high != one.low else f"{one.low}"
            values = "; ".join(f"{value} {key}" for key, value in one.values.items())
            text = one.description + (f" {values}." if values else "")
            out.append(f"| {register.name} | {one.name} | {bits} | {one.access} | {table_cell(text)} |")
    for structure in block.structures:
        out += ["", f"## {structure.name}", "", f"{structure.size} bytes. {structure.description}", ""]
        if structure.constants:
            out += ["Constants: " + ", ".join(f"{key} = {value}" for key, value in structure.constants.items()) + ".", ""]
        out += ["| offset | field | type | description |", "| --- | --- | --- | --- |"]
        for one in structure.fields:
            count = f"[{one.count}]" if one.count else ""
            out.append(f"| {one.offset} | {one.name} | {one.type}{count} | {table_cell(one.description)} |")
    return "\n".join(out) + "\n"


def svd_access(access, indent):
    if access == "write-1-to-clear":
        return [f"{indent}<access>read-write</access>",
                f"{indent}<modifiedWriteValues>oneToClear</modifiedWriteValues>"]
    return [f"{indent}<access>{access}</access>"]


def svd_register(offset, register):
    pad = "          "
    out = ["        <register>"]
    if register.count > 1:
        out += [f"{pad}<dim>{register.count}</dim>", f"{pad}<dimIncrement>{register.stride:#x}</dimIncrement>"]
    access = svd_access(register.access, pad)
    out += [f"{pad}<name>{register.name}{'[%s]' if register.count > 1 else ''}</name>",
            f"{pad}<description>{escape(register.description)}</description>"]
    if register.alternate_of:
        out.append(f"{pad}<alternateRegister>{register.alternate_of}</alternateRegister>")
    out += [f"{pad}<addressOffset>{offset:#x}</addressOffset>", f"{pad}<size>{register.width}</size>", access[0],
            f"{pad}<resetValue>{register.reset:#x}</resetValue>", *access[1:]]
    if register.fields:
        out.append(f"{pad}<fields>")
        for one in register.fields:
            out += [f"{pad}  <field>", f"{pad}    <name>{one.name}</name>",
                    f"{pad}    <description>{escape(one.description)}</description>",
                    f"{pad}    <bitRange>[{one.high}:{one.low}]</bitRange>", *svd_access(one.access, pad + "    ")]
            if one.values:
                out.append(f"{pad}    <enumeratedValues>")
                for key, value in one.values.items():
                    out.append(f"{pad}      <enumeratedValue><name>{key}</name><value>{value}</value></enumeratedValue>")
                out.append(f"{pad}    </enumeratedValues>")
            out.append(f"{pad}  </field>")
        out.append(f"{pad}</fields>")
    out.append("        </register>")
    return out


def svd(instances):
    out = ['<?xml version="1.0" encoding="utf-8"?>',
           '<device schemaVersion="1.3" xmlns:xs="http://www.w3.org/2001/XMLSchema-instance" '
           'xs:noNamespaceSchemaLocation="CMSIS-SVD.xsd">',
           "  <name>HPIM</name>", "  <version>1.0</version>",
           "  <description>The HPIM machine at its default addresses.</description>",
           "  <addressUnitBits>8</addressUnitBits>", "  <width>64</width>", "  <peripherals>"]
    first = {}
    for one in instances:
        origin = first.setdefault(one.block.name, one)
        derived = f' derivedFrom="{origin.name}"' if origin is not one else ""
        out += [f"    <peripheral{derived}>", f"      <name>{one.name}</name>"]
        if origin is one:
            out += [f"      <description>{escape(one.block.description)}</description>",
                    f"      <groupName>{one.block.name}</groupName>"]
        out.append(f"      <baseAddress>{one.address:#x}</baseAddress>")
        if origin is one:
            out += ["      <addressBlock>", "        <offset>0x0</offset>", f"        <size>{one.size:#x}</size>",
                    "        <usage>registers</usage>", "      </addressBlock>"]
        if one.interrupt:
            out += ["      <interrupt>", f"        <name>{one.name}</name>", f"        <value>{one.interrupt}</value>",
                    "      </interrupt>"]
        if origin is one:
            out.append("      <registers>")
            for offset, register in one.block.all_registers():
                out += svd_register(offset, register)
            out.append("      </registers>")
        out.append("    </peripheral>")
    out += ["  </peripherals>", "</device>"]
    return "\n".join(out) + "\n"


def write_if_changed(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_text(encoding="utf-8") == content:
        return
    path.write_text(content, encoding="utf-8")


def check_unique_blocks(blocks):
    seen = {}
    for block in blocks:
        if block.name in seen:
            raise DescriptionError(block.source, "/block", f"the block '{block.name}' exists in {seen[block.name]}")
        seen[block.name] = block.source


def generate(source, output, map_path=None):
    """Reads every description below source/models and writes below output/generated."""
    source = pathlib.Path(source).resolve()
    target = pathlib.Path(output) / "generated"
    loader = Loader(source)
    blocks = [loader.load(path) for path in sorted(source.glob("models/*/*.registers.json"))]
    check_unique_blocks(blocks)
    instances = load_map(pathlib.Path(map_path), blocks) if map_path else None
    for block in blocks:
        write_if_changed(target / "models" / block.folder / f"{block.name}_registers.h", model_header(block))
        write_if_changed(target / "firmware" / "hal" / f"{block.name}.h", firmware_header(block))
        write_if_changed(target / "docs" / f"{block.name}.md", document(block))
    if instances is not None:
        write_if_changed(target / "hpim.svd", svd(instances))
    return blocks


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--source", required=True, help="the project's root")
    parser.add_argument("--output", required=True, help="the build tree")
    parser.add_argument("--map", help="list of block instances with addresses, for the SVD file")
    options = parser.parse_args(arguments)
    try:
        generate(options.source, options.output, options.map)
    except DescriptionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
