"""Writes the held-out corpus of links: cases whose statements come of commands that were really run.

    python3 tests/linking/make.py agent/src/prompt/testdata/held_out.jsonl

Each line is a case: what models ask for, what is started, what is issued, and what comes back. Commands run in bash, Python and Node
against stand-ins of Snowflake's clients (`clients/`), which note the statements that reach them; so a label is what ran, not what
somebody meant. Needs bash, node, make, jq, and Python with jinja2 and yaml.
"""

import random
import sys

import hostile
import programs
import shells
import ways
from case import Case
from statements import Writer

ROUNDS = 6
SEED = 20_261_128


def cases(number):
    dice = random.Random(SEED + number)
    writer = Writer(dice)
    made = []

    def case(family, is_hostile=False):
        made.append(Case(family, dice, writer, number, is_hostile))
        return made[-1]

    for group in [shells.DIRECT, programs.DIRECT]:
        for family, command in group.items():
            sql = writer.any()
            case(family).use(command(sql, dice), True)
    for group in [shells.INDIRECT, programs.INDIRECT]:
        for family, command in group.items():
            case(family).use(command(writer, dice), False)
    for way in ways.WAYS:
        way(case(way.__name__.replace("_", " ")))
    for way in hostile.WAYS:
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
