"""What the page says, computed from results: nothing here knows a figure of its own."""

KINDS = {  # of operators, in the words of the paper's table
    "qkv": ("key", "query", "value"),
    "projection": ("projection",),
    "feed_forward": ("feed_forward", "activation"),
    "attention": ("attention",),
}
WORDS = {
    "activation": "opening and closing rows", "columns": "columns through the units",
    "transfer": "transfers over the NoC", "imbalance": "engines that wait for the others",
    "issue": "issuing operators", "between tokens": "the firmware between tokens",
    "broadcast": "broadcasting inputs", "read_out": "reading results out", "refresh": "refresh",
    "mode": "changing the PIM mode", "accesses": "normal accesses", "vector": "vector units",
    "in_array": "in-array units", "matrix": "systolic arrays", "transpose": "transpose units",
    "sequencer": "tile programs",
}


def request_s(result):
    return sum(result["time"]["per_token_s"])


def critical_s(operator):
    return operator["critical_s"] + operator["critical_issue_s"]


def of_kind(result, kind, key=critical_s):
    """Seconds of a token that operators of a kind of the paper's table take."""
    return sum(key(one) for one in result["per_token"]["operators"]
               if one["kind"] in KINDS[kind])


def resources_s(result, kinds=None):
    """A token's time by what it was spent on, the largest first: each operator's part of the
    critical path, divided as its whole span is. The values add up to the token's time."""
    total = {}
    for one in result["per_token"]["operators"]:
        if kinds is not None and one["kind"] not in kinds:
            continue
        for name, seconds in one["resources_s"].items():
            share = seconds / one["span_s"] if one["span_s"] > 0 else 0
            total[name] = total.get(name, 0) + share * one["critical_s"]
        total["issue"] = total.get("issue", 0) + one["critical_issue_s"]
    if kinds is None:
        total["between tokens"] = result["per_token"]["between_s"]
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def bound_words(result, kinds=None, count=2):
    """"opening and closing rows 41 %, transfers over the NoC 20 %" of a token's time."""
    parts = resources_s(result, kinds)
    whole = sum(parts.values()) or 1
    return ", ".join(f"{WORDS.get(name, name)} {seconds / whole:.0%}"
                     for name, seconds in list(parts.items())[:count])


def matrix_bytes(model, kind):
    """FP16, of all layers."""
    hidden = model["hidden"]
    query, kv = model["heads"] * model["head_dim"], model["kv_heads"] * model["head_dim"]
    gate = model["architecture"] == "llama"
    elements = {"qkv": hidden * (query + 2 * kv), "projection": query * hidden,
                "feed_forward": (3 if gate else 2) * hidden * model["ffn"]}
    return 2 * model["layers"] * elements[kind]


def kv_bytes(result):
    """FP16, of keys and values of all layers that a token reads, in the mean over the tokens after the
    first."""
    model, prompt = result["model"], len(result["prompt_tokens"])
    positions = prompt + len(result["tokens"]) / 2
    return 2 * 2 * model["layers"] * model["kv_heads"] * model["head_dim"] * positions


def paper_token_ms(claims, machine):
    """OPT-13B's, from the paper's table by kind of layer."""
    return sum(one[machine] for one in claims["opt_13b_ms"].values()) / claims["opt_13b_tokens"]


def why_latency(result, comparison, baseline):
    """Why a request takes what it takes, on both sides of the ratio."""
    other = comparison["baselines"][baseline]
    launches = other["mean_token_parts_s"]["overhead"] / other["mean_token_s"]
    prompt = comparison["first_token_s"] / comparison["request_s"]
    theirs = other["first_token_s"] / other["request_s"]
    return (f"{launches:.0%} of a token of this A100 are launches; here the prompt takes {prompt:.0%} "
            f"of the request (A100 {theirs:.0%}), and a token is mostly {bound_words(result)}")


def why_kind(result, kind, claims):
    tokens = claims["opt_13b_tokens"]
    if kind == "attention":
        whole = of_kind(result, kind, lambda one: one["span_s"])
        hidden = whole - of_kind(result, kind, lambda one: one["critical_s"])
        read = kv_bytes(result) / 1e12
        theirs = claims["opt_13b_ms"][kind]["hpim"] / tokens / 1e3
        return (f"keys and values of this request read at {read / whole:.2f} TB/s while at work, where the "
                f"paper's time means {read / theirs:.2f}; {max(hidden, 0) / whole:.0%} of the work is off "
                f"the critical path, beside other operators; the rest is mostly "
                f"{bound_words(result, KINDS[kind])}")
    read = matrix_bytes(result["model"], kind)
    ours = read / of_kind(result, kind) / 1e12
    theirs = read * tokens / claims["opt_13b_ms"][kind]["hpim"] / 1e9
    return (f"matrices read at {ours:.1f} TB/s over all stacks where the paper's time means "
            f"{theirs:.1f}; mostly {bound_words(result, KINDS[kind])}")
