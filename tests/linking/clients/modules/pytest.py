"""What scripts use of pytest: `pytest [-k TEXT] FILE[::NAME]` calls the functions named `test_`, but those that are skipped."""

import importlib.util
import sys


class mark:
    @staticmethod
    def skip(reason=""):
        return lambda function: setattr(function, "skipped", reason) or function


def main(arguments):
    chosen, files, at = "", [], 0
    while at < len(arguments):
        if arguments[at] == "-k":
            chosen, at = arguments[at + 1], at + 1
        elif not arguments[at].startswith("-"):
            files.append(arguments[at])
        at += 1
    for file in files:
        path, _, name = file.partition("::")
        spec = importlib.util.spec_from_file_location("tested", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for one, function in list(vars(module).items()):
            if one.startswith("test_") and chosen in one and name in ("", one) and not hasattr(function, "skipped"):
                function()
                print(f"{path}::{one} PASSED")


if __name__ == "__main__":
    main(sys.argv[1:])
