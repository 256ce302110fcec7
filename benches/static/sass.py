"""What the loops of a compiled kernel are made of: its assembly, as nvdisasm prints it."""

import re
from collections import Counter

CLASSES = [
    ("fma", r"FFMA"),
    ("imul", r"IMAD(?!\.(MOV|SHL|IADD|U32 R\d+, RZ))|IMUL"),
    ("select", r"SEL|ISETP|FSETP|PLOP3|FSEL|P2R|R2P|VOTE"),
    ("int", r"IADD|IMAD|MOV|LOP3|SHF|LEA|PRMT|IABS|VIADD|IMNMX|VIMNMX|CS2R"),
    ("uniform", r"U[A-Z]+|R2UR|S2UR"),
    ("shared read", r"LDS"),
    ("shared write", r"STS"),
    ("load", r"LDG"),
    ("store", r"STG"),
    ("constant", r"LDC"),
    ("barrier", r"BAR"),
    ("branch", r"BRA|BSSY|BSYNC|EXIT|NOP|WARPSYNC|CALL|RET|BREAK"),
    ("other", r"[A-Z]"),
]


class Loop:
    """The instructions of a loop, those of the loops within left out."""

    def __init__(self, first, last):
        self.first, self.last, self.inner, self.own = first, last, [], []

    def walk(self):
        yield self
        for loop in self.inner:
            yield from loop.walk()


def loops(text):
    """The outermost loops, in order: a branch backwards ends one at the label that it names."""
    code, labels, spans = [], {}, {}
    for line in text.splitlines():
        if match := re.match(r"\s*(\.L_x_\d+):", line):
            labels[match[1]] = len(code)
        elif match := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([^;]*);", line):
            code.append(match[1].strip())
            target = re.match(r"BRA\S*.*?`\((\.L_x_\d+)\)", code[-1])
            if target and target[1] in labels:
                spans[labels[target[1]]] = len(code)
    whole = Loop(0, len(code))
    for first, last in sorted(spans.items(), key=lambda span: (span[0], -span[1])):
        parent = whole
        while within := [l for l in parent.inner if l.first <= first and last <= l.last]:
            parent = within[0]
        parent.inner.append(Loop(first, last))
    for loop in whole.walk():
        covered = {i for inner in loop.inner for i in range(inner.first, inner.last)}
        loop.own = [code[i] for i in range(loop.first, loop.last) if i not in covered]
    return whole.inner


def mix(instructions):
    """How many instructions of each class."""
    classify = lambda i: next(name for name, pattern in CLASSES if re.match(pattern, i))
    return Counter(classify(instruction.split()[0]) for instruction in instructions)


def hottest(text):
    """The loop with the most multiply-adds."""
    every = (loop for outer in loops(text) for loop in outer.walk())
    return max((mix(loop.own) for loop in every), key=lambda counts: counts["fma"])


def tile_step(defines, text):
    """A step of a tiled kernel over DEPTH terms as a whole: how often each of its loops runs follows from the tile's sizes.

    A compiler may have unrolled some of them; what it peeled off a loop of loads counts once more than it runs."""
    every = [loop for outer in loops(text) for loop in outer.walk()]
    unrolled = [loop for loop in every if len(loop.inner) < 2 and mix(loop.own)["fma"] >= 64]
    step = next((loop for loop in every if len(loop.inner) >= 2), unrolled[0] if unrolled else None)
    rows, columns, depth, threads = (int(defines[k]) for k in ("ROWS", "COLUMNS", "DEPTH", "THREADS"))
    expected = rows * columns * depth / threads
    loads = [rows // 4 * depth / threads, columns // 4 * depth / threads]
    parts = [(1, mix(step.own))]
    for counts in (mix(loop.own) for loop in step.inner):
        if counts["fma"]:
            parts.append(((expected - parts[0][1]["fma"]) / counts["fma"], counts))
        elif counts["shared write"] and loads:
            parts.append((loads.pop(0) / counts["shared write"], counts))
    total = Counter()
    for trips, counts in parts:
        for name, value in counts.items():
            total[name] += trips * value
    assert total["fma"] == expected, f"{total['fma']} multiply-adds where {expected} were expected: another unrolling"
    return total
