"""A token's way through a layer, drawn from a run's waveform."""

LAYERS = 2  # drawn, of the last token; the middle of the model


def _names(result):
    return {one["name"]: one for one in result["operators"]}


def layers_drawn(result):
    count = result["model"]["layers"]
    first = count // 2
    return list(range(first, min(first + LAYERS, count - 1)))


def window_us(result):
    """Of the last token: from the first drawn layer's norm to the end of the last one."""
    operators = _names(result)
    layers = layers_drawn(result)
    start = operators[f"layer{layers[0] - 1}.down"]["last_end_s"]
    stop = operators[f"layer{layers[-1]}.down"]["last_end_s"]
    return start * 1e6, stop * 1e6 + 1


def read_operations(path):
    """[(engine, operator, start_ps, end_ps)] of a waveform's `operation` signals."""
    engines, scopes, current, found, time_ps = {}, [], {}, [], 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line[0] == "s":
                value, _, identifier = line[1:].rstrip("\n").partition(" ")
                if identifier not in engines:
                    continue
                engine = engines[identifier]
                operator, start_ps = current.get(engine, ("-", 0))
                if "." in operator:
                    found.append((engine, operator, start_ps, time_ps))
                current[engine] = (value, time_ps)
            elif line[0] == "#":
                time_ps = int(line[1:])
            elif line.startswith("$scope"):
                scopes.append(line.split()[2])
            elif line.startswith("$upscope"):
                scopes.pop()
            elif line.startswith("$var string") and " operation " in line:
                engines[line.split()[3]] = ".".join(scopes)
    for engine, (operator, start_ps) in current.items():
        if "." in operator and start_ps < time_ps:
            found.append((engine, operator, start_ps, time_ps))
    return found


def overlap_us(operations, first, second):
    """Microseconds in which an operator of each of these names was being worked on."""
    edges = []
    for index, name in enumerate((first, second)):
        for _, operator, start, end in operations:
            if operator.partition(".")[2] == name:
                edges += [(start, index, 1), (end, index, -1)]
    active, total, before = [0, 0], 0, 0
    for time_ps, index, change in sorted(edges):
        if active[0] > 0 and active[1] > 0:
            total += time_ps - before
        active[index] += change
        before = time_ps
    return total / 1e6
