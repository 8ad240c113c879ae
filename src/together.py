"""Which C++ files can be compiled as one, so that the headers of libraries are compiled once for all of them.

Usage: together.py LARGEST FILE...: a line for each group of at most LARGEST files, separated by `;`.

Files go together unless they define the same names for themselves: two anonymous namespaces would
become one. CMakeLists.txt asks this about src/, and tests/tidy.py imports it.
"""

import pathlib
import re
import sys

# What a file defines for itself begins in the first column, as clang-format lays it out. What it only
# uses (`using recording::Call;`, and nearly every `using Json = nlohmann::json;`) may be in several.
OWN_NAME = re.compile(
    r"^(?:(?:struct|class|enum class|enum) (\w+)|TEST(?:_F|_P)?\((\w+)"
    r"|(?!namespace|using|return|extern)[a-zA-Z][^=;({]*?(?<![:\w])(\w+) ?[({=;\[])",
    re.MULTILINE,
)


def own_names(file):
    text = pathlib.Path(file).read_text()
    return {name for found in OWN_NAME.findall(text) for name in found if name}


def grouped(items, largest, file_of, kind_of):
    """Lists of items whose files go together; those of another kind never do."""
    groups = []  # of (kind, names, items)
    for item in items:
        kind, names = kind_of(item), own_names(file_of(item))
        for group_kind, group_names, members in groups:
            if group_kind == kind and len(members) < largest and not group_names & names:
                group_names |= names
                members.append(item)
                break
        else:
            groups.append((kind, names, [item]))
    return [members for _, _, members in groups]


if __name__ == "__main__":
    for members in grouped(sys.argv[2:], int(sys.argv[1]), str, lambda file: ""):
        print(";".join(members))
