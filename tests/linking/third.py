"""Writes the third corpus of links, whose cases the matcher has not met: other tools, other SQL, other tricks.

    python3 tests/linking/third.py agent/src/prompt/testdata/third.jsonl

As `make.py`: each line is a case, commands are run for real against stand-ins, and a label is what issued a statement. Needs bash, dash,
zsh, node, perl, tclsh, gcc, a JDK, jq, envsubst, and Python with jinja2 and yaml. What is written by a language's rules and not run
(PowerShell, R, Go) says so in `third_ways.py`.
"""

import random
import sys

import third_hostile
import third_ways
from case import Case
from third_sql import Corners

ROUNDS = 6
SEED = 77_003_117


def cases(number):
    dice = random.Random(SEED * (number + 1))
    writer = Corners(dice)
    made = []

    def case(family, is_hostile=False):
        made.append(Case(family, dice, writer, number, is_hostile))
        return made[-1]

    for family, command in third_ways.DIRECT.items():
        case(family).use(command(writer.any(), dice), True)
    for family, command in third_ways.INDIRECT.items():
        case(family).use(command(writer, dice), False)
    for way in third_ways.WAYS:
        way(case(way.__name__.replace("_", " ")))
    for way in third_hostile.WAYS:
        way(case(way.__name__.replace("_", " "), True))
    dice.shuffle(made)
    return made


def main():
    with open(sys.argv[1], "w") as out:
        for number in range(ROUNDS):
            for case in cases(number):
                out.write(case.line() + "\n")
            # A session ends.
            out.write("{}\n")


if __name__ == "__main__":
    main()
