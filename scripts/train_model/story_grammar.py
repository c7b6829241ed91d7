"""Writes the training text: simple stories from the grammar in stories.txt.

A story has a cast (a hero, a friend, a grown-up), an opening, one to four plots and an ending. All
randomness comes from one seeded generator, so a seed names a text.
"""

import random
import re
from pathlib import Path

GRAMMAR_FILE = Path(__file__).with_name("stories.txt")

GIRLS = "Lily Anna Mia Rosa Emma Nina Zoe Ella Ruby Lucy Sara Clara".split()
BOYS = "Tom Ben Sam Max Leo Jack Finn Tim Theo Paul Adam Noah".split()
ANIMAL_GIRLS = "Coco Dot Bella Penny Luna Daisy".split()
ANIMAL_BOYS = "Pip Milo Gus Toby Hugo Fluff".split()
ANIMAL_KINDS = ("mouse rabbit duck fox squirrel frog bear dog cat hedgehog pig goat bird lion horse cow "
                "owl wolf monkey elephant penguin turtle sheep dragon").split()
CHILD_HOMES = ["a small house", "a little house by the sea", "a village by the river", "a big city",
               "a house on a hill", "a small town", "a house near the park", "a house with a red door"]
ANIMAL_HOMES = ["a hole under an old tree", "a big forest", "a little house in the forest", "a green field",
                "a cozy nest of leaves", "a garden", "a barn", "a small house by the pond"]
PLOT_COUNTS = [1] * 9 + [2] * 5 + [3] * 3 + [4]
PRONOUNS = {"girl": ("she", "her", "her", "herself"), "boy": ("he", "him", "his", "himself"),
            "it": ("it", "it", "its", "itself")}


def compile_template(text):
    """Turns a template into a list of literals, ("slot", name) and ("choice", alternatives)."""
    sequence, position = _parse_sequence(text, 0)
    if position != len(text):
        raise ValueError(f"unbalanced brackets in template: {text}")
    return sequence


def _parse_sequence(text, position):
    parts, literal = [], ""
    while position < len(text) and text[position] not in "|]":
        if text[position] == "[":
            parts.append(literal)
            alternatives, position = _parse_choice(text, position + 1)
            parts.append(("choice", alternatives))
            literal = ""
        elif text[position] == "{":
            end = text.index("}", position)
            parts += [literal, ("slot", text[position + 1:end])]
            literal, position = "", end + 1
        else:
            literal += text[position]
            position += 1
    return [part for part in parts + [literal] if part != ""], position


def _parse_choice(text, position):
    alternatives = []
    while True:
        alternative, position = _parse_sequence(text, position)
        alternatives.append(alternative)
        if position >= len(text):
            raise ValueError(f"unclosed [ in template: {text}")
        position += 1
        if text[position - 1] == "]":
            return alternatives, position


class Passage:
    """The lines of an opening, a link, an ending or a plot, and the slots that it sets first."""

    def __init__(self):
        self.bindings = []
        self.lines = []


class Grammar:
    """The parsed stories.txt."""

    def __init__(self, path=GRAMMAR_FILE):
        self.tables = {}
        self.passages = {"opening": [], "link": [], "ending": [], "plot": []}
        rows, passage = None, None
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("@table"):
                rows, passage = self.tables.setdefault(line.split()[1], []), None
            elif line.startswith(("@pick", "@row")):
                names, table = line.split(None, 1)[1].split("=")
                passage.bindings.append((line.startswith("@pick"), names.split(), self.tables[table.strip()]))
            elif line.startswith("@"):
                rows, passage = None, Passage()
                self.passages[line[1:].split()[0]].append(passage)
            elif passage is None:
                rows.append([compile_template(field.strip()) for field in line.split(";")])
            else:
                passage.lines.append(None if line == "--" else compile_template(line))


class Story:
    """One story while it is being told."""

    def __init__(self, grammar, rng):
        self._grammar = grammar
        self._rng = rng
        self._friend_known = False
        self._slots = {}
        self._times = ["one day", "one day", "one day", "one morning", "one afternoon"]
        self._cast()

    def text(self):
        plot_count = self._rng.choice(PLOT_COUNTS)
        plots = self._rng.sample(self._grammar.passages["plot"], plot_count)
        paragraphs = [[]]
        self._tell(self._rng.choice(self._grammar.passages["opening"]), paragraphs)
        if self._rng.random() < 0.4:
            paragraphs.append([])
        for index, plot in enumerate(plots):
            if index > 0:
                paragraphs.append([])
                self._times = ["that day", "that day", "this time", "soon", "after a while", "one day"]
                self._tell(self._rng.choice(self._grammar.passages["link"]), paragraphs)
            self._tell(plot, paragraphs)
        if self._rng.random() < 0.7:
            self._tell(self._rng.choice(self._grammar.passages["ending"]), paragraphs)
        return "\n".join(" ".join(lines) for lines in paragraphs if lines)

    def _cast(self):
        rng, slots = self._rng, self._slots
        animal_world = rng.random() < 0.4
        self._name_hero(animal_world)
        self._name_friend(animal_world)
        elder = rng.choice(["mother", "father", "grandmother"] if animal_world
                           else ["mom", "dad", "mom", "dad", "grandma", "grandpa"])
        gender = "girl" if elder in ("mom", "mother", "grandma", "grandmother") else "boy"
        slots["E"] = f"{slots['his']} {elder}"
        slots["ehe"], slots["ehim"] = PRONOUNS[gender][:2]
        slots["Ehe"] = slots["ehe"].capitalize()
        slots["home"] = rng.choice(ANIMAL_HOMES if animal_world else CHILD_HOMES)
        hobbies = rng.sample(self._grammar.tables["hobbies"], 2)
        slots["hobby"], slots["hobby2"] = (self._expand(hobby[0]) for hobby in hobbies)

    def _name_hero(self, animal_world):
        rng, slots = self._rng, self._slots
        gender = rng.choice(["girl", "boy"])
        if animal_world:
            kind = rng.choice(["little ", "small ", "young ", ""]) + rng.choice(ANIMAL_KINDS)
            name = rng.choice(names_for(gender, animal_world))
        else:
            noble = {"girl": "princess", "boy": "prince"}
            noun = noble[gender] if rng.random() < 0.06 else gender
            kind = rng.choice(["little ", "little ", "young ", "small ", ""]) + noun
            name = rng.choice(names_for(gender, animal_world))
        nameless = rng.random() < (0.3 if animal_world else 0.05)
        slots["N"] = f"the {kind}" if nameless else name
        slots["call"] = kind if nameless else name
        slots["justkind"] = f"a* {kind}"
        slots["intro"] = f"a* {kind}" if nameless else f"a* {kind} {rng.choice(['named', 'named', 'called'])} {name}"
        if not nameless and animal_world and rng.random() < 0.3:
            slots["intro"] = f"{name} the {kind}"
        slots["he"], slots["him"], slots["his"], slots["himself"] = PRONOUNS[gender]

    def _name_friend(self, animal_world):
        rng, slots = self._rng, self._slots
        gender = rng.choice(["girl", "boy"])
        name = rng.choice([name for name in names_for(gender, animal_world) if name != slots["call"]])
        kind = rng.choice(ANIMAL_KINDS)
        self._friend_introduction = rng.choice(
            [f"{slots['his']} friend {name}", f"{slots['his']} best friend {name}",
             f"{name} the {kind}" if animal_world else f"{slots['his']} friend {name}"])
        slots["fcall"] = name
        slots["fhe"], slots["fhim"], slots["fhis"] = PRONOUNS[gender][:3]
        slots["Fhe"] = slots["fhe"].capitalize()

    def _tell(self, passage, paragraphs):
        for shuffled, names, table in passage.bindings:
            self._bind(shuffled, names, self._rng.choice(table))
        for line in passage.lines:
            if line is None:
                paragraphs.append([])
                continue
            sentence = finish_sentence(self._expand(line))
            if sentence:
                paragraphs[-1].append(sentence)

    def _bind(self, shuffled, names, row):
        fields = row[:1] + (self._rng.sample(row[1:], len(row) - 1) if shuffled else row[1:])
        for name, field in zip(names, fields):
            self._slots[name] = self._expand(field)

    def _expand(self, sequence):
        text = ""
        for part in sequence:
            if isinstance(part, str):
                text += part
            elif part[0] == "choice":
                text += self._expand(self._rng.choice(part[1]))
            else:
                text += self._slot(part[1])
        return text

    def _slot(self, name):
        if name == "F":
            first = not self._friend_known
            self._friend_known = True
            return self._friend_introduction if first else self._slots["fcall"]
        if name == "When":
            return self._rng.choice(self._times)
        if name in self._slots:
            return self._slots[name]
        if name[0].isupper() and name.lower() in self._slots:
            lower = self._slots[name.lower()]
            return lower[0].upper() + lower[1:]
        raise KeyError(f"stories.txt uses the unknown slot {{{name}}}")


def names_for(gender, animal_world):
    if animal_world:
        return ANIMAL_GIRLS if gender == "girl" else ANIMAL_BOYS
    return GIRLS if gender == "girl" else BOYS


def finish_sentence(text):
    """Settles articles, spaces and capitals of an expanded line."""
    text = re.sub(r"\b([Aa])\* (?=([a-z]))", lambda m: m[1] + ("n " if m[2] in "aeiou" else " "), text)
    text = re.sub(r"  +", " ", text).strip()
    text = re.sub(r"\b([Ii])n the (farm|hill|beach)\b", lambda m: {"i": "o", "I": "O"}[m[1]] + f"n the {m[2]}", text)
    return re.sub(r"(^|[.!?] )([a-z])", lambda m: m[1] + m[2].upper(), text)


def write_stories(count, seed):
    """Yields `count` stories; the same seed yields the same stories."""
    grammar = Grammar()
    rng = random.Random(seed)
    for _ in range(count):
        yield Story(grammar, rng).text()


if __name__ == "__main__":
    for story in write_stories(5, random.SystemRandom().randrange(1 << 30)):
        print(story, end="\n\n")
