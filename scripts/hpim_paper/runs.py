"""Runs scenarios, several at a time, and keeps what is finished for the next time."""

import hashlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time

from . import timeline

# Layers times positions that a second of the host simulates, before the first run has told.
FIRST_GUESS = 200.0


class Interrupted(Exception):
    pass


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def parse_commented(text):
    """JSON with // comments, as scenarios and presets have it."""
    return json.loads(re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda m: m.group(1) or "", text))


def load_commented(path):
    with open(path, encoding="utf-8") as file:
        return parse_commented(file.read())


def _hash_files(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.path.basename(path).encode() + b"\0")
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


class Runner:
    def __init__(self, root, binary, out, jobs):
        self.binary, self.out, self.jobs = binary, out, jobs
        self.scenarios = os.path.join(root, "scenarios", "hpim_paper")
        self.models = os.path.join(root, "scenarios", "presets", "models")
        presets = []
        for kind in ("machines", "hbm"):
            for folder, _, files in sorted(os.walk(os.path.join(root, "scenarios", "presets", kind))):
                presets += [os.path.join(folder, file) for file in sorted(files)]
        firmware = os.path.join(os.path.dirname(binary), "firmware")
        images = sorted(os.path.join(folder, file) for folder, _, files in os.walk(firmware)
                        for file in files if file.endswith(".elf"))
        self.machine_hash = _hash_files([binary, *images, *presets])
        self.failures = {}
        self._lock = threading.Lock()
        self._children = set()
        self._stop = False
        self._done_cost = self._done_s = 0.0

    def folder(self, name):
        return os.path.join(self.out, "runs", name)

    def result(self, name):
        """None: not run, or not to its end."""
        folder = self.folder(name)
        if not os.path.exists(os.path.join(folder, "run.json")):
            return None
        return load(os.path.join(folder, "result.json"))

    def _preset(self, experiment):
        scenario = load_commented(os.path.join(self.scenarios, experiment.scenario))
        preset = scenario["model"]["preset"]
        for setting in experiment.settings:
            if setting.startswith("model.preset="):
                preset = setting.partition("=")[2]
        return scenario, os.path.join(self.models, preset + ".json")

    def _fingerprint(self, experiment):
        _, preset = self._preset(experiment)
        scenario = os.path.join(self.scenarios, experiment.scenario)
        return {"machine": self.machine_hash, "scenario": _hash_files([scenario, preset]),
                "settings": experiment.settings}

    def _is_finished(self, experiment, fingerprint):
        path = os.path.join(self.folder(experiment.name), "run.json")
        return os.path.exists(path) and load(path) == fingerprint

    def _cost(self, experiment):
        """Layers times positions."""
        scenario, preset = self._preset(experiment)
        request = dict(scenario["workload"])
        for setting in experiment.settings:
            key, _, value = setting.partition("=")
            if key in ("workload.prompt_tokens", "workload.output_tokens"):
                request[key.partition(".")[2]] = int(value)
        return load(preset)["layers"] * (request["prompt_tokens"] + request["output_tokens"] - 1)

    def run(self, experiments):
        """Throws Interrupted when the user wants no more; what is finished stays."""
        for stage in ([one for one in experiments if not one.after],
                      [one for one in experiments if one.after]):
            self._run_stage(stage)

    def _run_stage(self, stage):
        wanted = []
        for experiment in stage:
            if experiment.after and not self._add_window(experiment):
                continue
            fingerprint = self._fingerprint(experiment)
            if self._is_finished(experiment, fingerprint):
                print(f"{experiment.name}: finished before", file=sys.stderr)
            else:
                wanted.append((experiment, fingerprint, self._cost(experiment)))
        wanted.sort(key=lambda one: one[2])  # the estimate is good early, and results come early
        todo = queue.SimpleQueue()
        for one in wanted:
            todo.put(one)
        left = {"runs": len(wanted), "cost": sum(one[2] for one in wanted)}
        workers = [threading.Thread(target=self._work, args=(todo, left, len(wanted)), daemon=True)
                   for _ in range(min(self.jobs, max(len(wanted), 1)))]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.2)
        except KeyboardInterrupt:
            self._stop = True
            with self._lock:
                for child in self._children:
                    child.terminate()
            for worker in workers:
                worker.join(30)
            raise Interrupted() from None

    def is_current(self, experiment):
        """Whether its finished run is one of this program, these presets and this scenario."""
        if experiment.after and not self._add_window(experiment):
            return False
        return self._is_finished(experiment, self._fingerprint(experiment))

    def _add_window(self, experiment):
        reference = self.result(experiment.after)
        if reference is None:
            self.failures[experiment.name] = f"needs the run '{experiment.after}'"
            return False
        start_us, stop_us = timeline.window_us(reference)
        experiment.settings = [*experiment.settings, f"trace.start_us={start_us:.3f}",
                               f"trace.stop_us={stop_us:.3f}"]
        return True

    def _work(self, todo, left, count):
        while not self._stop:
            try:
                experiment, fingerprint, cost = todo.get_nowait()
            except queue.Empty:
                return
            seconds = self._run_one(experiment, fingerprint)
            with self._lock:
                if self._stop:
                    return
                left["runs"] -= 1
                left["cost"] -= cost
                if seconds is not None:
                    self._done_cost += cost
                    self._done_s += seconds
                speed = self._done_cost / self._done_s if self._done_s > 0 else FIRST_GUESS
                rest = left["cost"] / speed / self.jobs
                what = f"{seconds:.1f} s" if seconds is not None else "FAILED"
                print(f"[{count - left['runs']}/{count}] {experiment.name}: {what}; "
                      f"about {rest / 60:.1f} minutes left", file=sys.stderr)

    def _run_one(self, experiment, fingerprint):
        """Seconds on the host; None: it failed, and failures says why."""
        folder = self.folder(experiment.name)
        os.makedirs(folder, exist_ok=True)
        mark = os.path.join(folder, "run.json")
        if os.path.exists(mark):
            os.remove(mark)
        command = [self.binary, "run", os.path.join(self.scenarios, experiment.scenario), "--quiet",
                   "--out", folder]
        for setting in experiment.settings:
            command += ["--set", setting]
        start = time.monotonic()
        # In a session of its own: Ctrl-C reaches it through this program only.
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True, start_new_session=True)
        with self._lock:
            self._children.add(child)
        _, error = child.communicate()
        with self._lock:
            self._children.discard(child)
        if child.returncode != 0:
            self.failures[experiment.name] = error.strip().splitlines()[-1] if error else "failed"
            return None
        with open(mark + ".tmp", "w", encoding="utf-8") as file:
            json.dump(fingerprint, file, indent=2)
        os.replace(mark + ".tmp", mark)
        return time.monotonic() - start

    def comparisons(self, names):
        """{ name: what `report --baseline all --json` says of its run }"""
        folders = {self.folder(name): name for name in names}
        if not folders:
            return {}
        done = subprocess.run([self.binary, "report", *folders, "--baseline", "all", "--json"],
                              capture_output=True, text=True, check=True)
        return {folders[folder]: one for folder, one in json.loads(done.stdout).items()}

    def report(self, first, second):
        """`report A B`, A and B named as they are on the page."""
        done = subprocess.run([self.binary, "report", first, second], capture_output=True,
                              text=True, check=True, cwd=os.path.join(self.out, "runs"))
        return done.stdout
