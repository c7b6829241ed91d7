"""The page's drawings, as plain SVG."""

from html import escape

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee8866",
           "#44aa99", "#999933", "#c77cff", "#332288")


class Drawing:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.parts = []

    def rectangle(self, x, y, width, height, colour, title=""):
        inside = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.3):.2f}" '
                          f'height="{height:.2f}" fill="{colour}">{inside}</rect>')

    def line(self, x1, y1, x2, y2, colour="#dddddd"):
        self.parts.append(f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" '
                          f'stroke="{colour}"/>')

    def text(self, x, y, text, anchor="start", size=11):
        self.parts.append(f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" '
                          f'font-size="{size}">{escape(text)}</text>')

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
                       f'height="{self.height}" viewBox="0 0 {self.width} {self.height}" '
                       'font-family="sans-serif">\n'
                       f'<rect width="{self.width}" height="{self.height}" fill="white"/>\n')
            file.write("\n".join(self.parts) + "\n</svg>\n")


def bars(path, title, groups, series, unit):
    """`groups`: [(label, [value or None for each of `series`])]"""
    left, bar, gap, width = 190, 13, 10, 760
    block = bar * len(series) + gap
    drawing = Drawing(width, 60 + block * len(groups))
    most = max([value for _, values in groups for value in values if value is not None] or [1])
    drawing.text(10, 18, title, size=14)
    for i, name in enumerate(series):
        drawing.rectangle(left + 180 * i, 28, 11, 11, COLOURS[i])
        drawing.text(left + 16 + 180 * i, 38, name)
    for i, (label, values) in enumerate(groups):
        top = 50 + block * i
        drawing.text(left - 8, top + bar * len(series) / 2 + 4, label, "end")
        for j, value in enumerate(values):
            if value is None:
                continue
            length = value / most * (width - left - 80)
            drawing.rectangle(left, top + bar * j, length, bar - 2, COLOURS[j])
            drawing.text(left + length + 5, top + bar * j + 10, f"{value:.2f}{unit}", size=10)
    drawing.write(path)


def timeline(path, title, operations, start_ps, stop_ps):
    """A lane for each engine, a colour for each name of operators, the layers' numbers in titles."""
    engines = sorted({one[0] for one in operations},
                     key=lambda name: (not name.startswith("stack"), name.rstrip("0123456789"),
                                       int("0" + "".join(filter(str.isdigit, name)))))
    names = []
    for _, operator, _, _ in sorted(operations, key=lambda one: one[2]):
        name = operator.partition(".")[2]
        if name not in names:
            names.append(name)
    left, width, top = 80, 1200, 84
    heights = [22 if engine.startswith("stack") else 8 for engine in engines]
    drawing = Drawing(width, top + sum(heights) + 40)
    drawing.text(10, 18, title, size=14)
    for i, name in enumerate(names):
        x, y = left + 180 * (i % 6), 30 + 18 * (i // 6)
        drawing.rectangle(x, y, 11, 11, COLOURS[i % len(COLOURS)])
        drawing.text(x + 16, y + 10, name)
    scale = (width - left - 20) / (stop_ps - start_ps)
    bottom = top + sum(heights)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9)
                if (stop_ps - start_ps) / 1e6 / s <= 15)
    for i in range(int((stop_ps - start_ps) / 1e6 / step) + 1):
        x = left + i * step * 1e6 * scale
        drawing.line(x, top - 6, x, bottom)
        drawing.text(x, bottom + 14, str(i * step), "middle", 10)
    drawing.text(left, bottom + 30, "microseconds")
    y = top
    for engine, height in zip(engines, heights):
        drawing.text(left - 6, y + height - (7 if height > 10 else 1), engine, "end",
                     11 if height > 10 else 7)
        for _, operator, start, end in (one for one in operations if one[0] == engine):
            start, end = max(start, start_ps), min(end, stop_ps)
            if start < end:
                colour = COLOURS[names.index(operator.partition(".")[2]) % len(COLOURS)]
                drawing.rectangle(left + (start - start_ps) * scale, y + 1, (end - start) * scale,
                                  height - 2, colour,
                                  f"{engine} {operator}: {(end - start) / 1e6:.2f} us")
        y += height
    drawing.write(path)
