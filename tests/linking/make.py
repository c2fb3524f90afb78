"""Writes the frozen corpora of links: cases whose statements come of commands that were really run.

    python3 tests/linking/make.py held_out|third|fourth [FILE]

Each line is a case: what models ask for, what is started, what is issued, and what comes back. Commands run in bash, Python, Node and
others against stand-ins of Snowflake's clients (`clients/`), which note the statements that reach them; so a label is what ran, not what
somebody meant. What is written by a language's rules and not run says so beside it. Needs bash, dash, zsh, fish, node, perl, tclsh, gcc,
a JDK, make, jq, envsubst, and Python with jinja2 and yaml.

A corpus is written once. Without FILE it goes where the tests read it; the same seeds write the same bytes.
"""

import dataclasses
import os
import random
import sys

import fourth_files
import fourth_hostile
import fourth_twins
import fourth_ways
import hostile
import programs
import shells
import third_hostile
import third_ways
import ways
from case import Case
from fourth_sql import Analyst
from statements import Writer
from third_sql import Corners

TESTDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "agent", "src", "prompt", "testdata")


@dataclasses.dataclass
class Corpus:
    """What a corpus is made of; each round is a session, which has every family once."""

    # Gives a round's seed, and writes its statements.
    seed: object
    writer: type
    # Commands by family: the SQL stands in them whole, or not.
    direct: list
    indirect: list
    # What is more than one command: honest, hostile.
    ways: list
    hostile: list
    rounds: int = 6
    # Ways of which each session has every other one.
    alternating: list = dataclasses.field(default_factory=list)
    # What stands where tools work, beside the scripts that all corpora have.
    files: dict = dataclasses.field(default_factory=dict)


CORPORA = {
    "held_out": Corpus(
        lambda number: 20_261_128 + number, Writer, [shells.DIRECT, programs.DIRECT], [shells.INDIRECT, programs.INDIRECT], ways.WAYS, hostile.WAYS
    ),
    "third": Corpus(
        lambda number: 77_003_117 * (number + 1), Corners, [third_ways.DIRECT], [third_ways.INDIRECT], third_ways.WAYS, third_hostile.WAYS
    ),
    "fourth": Corpus(
        lambda number: 4_190_821 + 101 * number,
        Analyst,
        [fourth_ways.DIRECT],
        [fourth_ways.INDIRECT],
        fourth_ways.WAYS + fourth_files.WAYS,
        fourth_hostile.WAYS + fourth_twins.HELD,
        rounds=4,
        alternating=fourth_twins.RUN,
        files=fourth_ways.FILES,
    ),
}


def cases(corpus, number):
    """Makes the cases of a session."""
    dice = random.Random(corpus.seed(number))
    writer = corpus.writer(dice)
    made = []

    def case(family, is_hostile=False):
        made.append(Case(family.replace("_", " "), dice, writer, number, is_hostile, corpus.files))
        return made[-1]

    for group in corpus.direct:
        for family, command in group.items():
            case(family).use(command(writer.any(), dice), True)
    for group in corpus.indirect:
        for family, command in group.items():
            case(family).use(command(writer, dice), False)
    for way in corpus.ways + corpus.alternating[number % 2 :: 2]:
        way(case(way.__name__))
    for way in corpus.hostile:
        way(case(way.__name__, True))
    dice.shuffle(made)
    return made


def main():
    name = sys.argv[1]
    path = sys.argv[2] if len(sys.argv) > 2 else os.path.join(TESTDATA, f"{name}.jsonl")
    with open(path, "w") as out:
        for number in range(CORPORA[name].rounds):
            for case in cases(CORPORA[name], number):
                out.write(case.line() + "\n")
            # A session ends.
            out.write("{}\n")


if __name__ == "__main__":
    main()
