"""Every value that no publication gives, from the places that say so."""

import os
import re

from .runs import load_commented

# What marks a source as not a publication's figure for this very machine.
_DEVICE_MARKS = ("this platform", "assum", "not binding", "rounded", "interpolated", "scaled")
_HEADERS = ("platform/hpim/machine_config.h", "models/hbm_pim/config.h",
            "models/sram_pim/tile_config.h", "models/interconnect/mesh_config.h",
            "models/dma/config.h")
_MEMBER = re.compile(r"^\s*(?:[\w:]+\s+)?(?:[\w:<>]+)\s+(\w+)\s*=\s*([^;]+);\s*(?://\s*(.*))?$")


def _merge(below, above):
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _device(path):
    device = load_commented(path)
    if "base" in device:
        base = os.path.join(os.path.dirname(path), device.pop("base"))
        device = _merge(_device(base), device)
    return device


def _sourced(value, prefix=""):
    for key, one in value.items():
        if isinstance(one, dict):
            yield from _sourced(one, prefix + key + ".")
        elif key != "rules" and isinstance(one, list) and len(one) == 2 and isinstance(one[1], str):
            yield prefix + key, one[0], one[1]


def hpim_device(root):
    """The preset with what it has from its bases; numbers are [value, source]."""
    return _device(os.path.join(root, "scenarios", "presets", "hbm", "hbm3_hpim.json"))


def of_device(root):
    """[(where, value, source)]: every number of HPIM's device whose source is not HPIM itself."""
    return [("hbm.device." + name, value, source) for name, value, source in _sourced(hpim_device(root))
            if not source.startswith("hpim:")]


def is_assumed(source):
    return any(mark in source.lower() for mark in _DEVICE_MARKS)


def of_headers(root):
    """Members of configurations whose comment, on the line or above, says that it is assumed."""
    found = []
    for header in _HEADERS:
        all_assumed, above, above_holds = False, "", False
        with open(os.path.join(root, header), encoding="utf-8") as file:
            text = file.read()
        # A file that says so in its head speaks of all its members.
        all_assumed = "all are this project's assumptions" in re.sub(r"\s*\n//\s*", " ", text)
        for line in text.splitlines():
            comment = line.strip()
            if comment.startswith("//"):
                above = (above + " " if above_holds else "") + comment[2:].strip()
                above_holds = True
                continue
            above_holds = False
            if not comment or comment.endswith("{"):
                above = ""
                continue
            member = _MEMBER.match(line)
            if not member:
                continue
            reason = member.group(3) or ""
            if not re.search("assum", reason, re.I):
                if re.search(r"HPIM|SPIMOE", reason):
                    continue
                if re.search("assum", above, re.I):
                    reason = reason or above
                elif not all_assumed:
                    continue
            found.append((f"{header}: {member.group(1)}", member.group(2), reason or
                          "the file's head: all are this project's assumptions"))
    return found


def of_machine(root):
    """Lines of the machine preset with a comment that names no publication, or a second-hand one."""
    found = []
    path = os.path.join(root, "scenarios", "presets", "machines", "hpim.json")
    with open(path, encoding="utf-8") as file:
        for line in file:
            member = re.match(r'\s*"(\w+)":\s*([^,\s/]+),?\s*//\s*(.*)', line)
            if member and re.search("assum|second-hand", member.group(3), re.I):
                found.append((f"machine preset: {member.group(1)}", member.group(2),
                              member.group(3)))
    return found


def of_baselines(root):
    """[(file, calibration)]"""
    folder = os.path.join(root, "scenarios", "presets", "baselines")
    return [(os.path.splitext(name)[0], load_commented(os.path.join(folder, name))["calibration"])
            for name in sorted(os.listdir(folder)) if name.endswith(".json")]
