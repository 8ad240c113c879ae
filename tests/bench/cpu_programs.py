"""One program in four languages: twenty functions that do the same piece of work, called so often that each
one's share of the CPU time is known. No measuring here.

Each prints a line `cpu_ns N` at its end: the CPU time of its process. A tool's own process is not in it.
"""

import pathlib
import random
import subprocess

# How often each is called. The tenth has twice what the eleventh has, so which are the first ten is no
# matter of chance.
CALLS = dict(zip("gtbmkpdsafrneqclhjoi", (20, 18, 16, 14, 12, 10, 9, 8, 7, 6, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1)))
SHARES = {part: calls / sum(CALLS.values()) for part, calls in CALLS.items()}
NAME = r"\bpart_([a-t])\b"  # of the function, in any language


def order():
    """Which function comes when: long and shuffled, so that it has no beat with a timer's."""
    parts = [part for part, calls in CALLS.items() for _ in range(20 * calls)]
    random.Random(1).shuffle(parts)
    return "".join(parts)


PYTHON = """
import time
ORDER = "{order}"
{functions}
PARTS = [{table}]
total = 0
for _ in range({rounds}):
    for letter in ORDER:
        total ^= PARTS[ord(letter) - 97]()
print("cpu_ns", time.process_time_ns())
"""
PYTHON_FUNCTION = """
def part_{part}():
    x = {number}
    for i in range(400):
        x ^= i
    return x
"""

NODE = """
const ORDER = "{order}";
{functions}
const PARTS = [{table}];
let total = 0;
for (let round = 0; round < {rounds}; ++round) {{
  for (let i = 0; i < ORDER.length; ++i) total ^= PARTS[ORDER.charCodeAt(i) - 97]();
}}
const used = process.cpuUsage();
console.log("cpu_ns " + (used.user + used.system) * 1000 + (total === 1 ? " " : ""));
"""
NODE_FUNCTION = """
function part_{part}() {{
  let x = {number};
  for (let i = 0; i < 20000; ++i) x = (x * 31 + i) | 0;
  return x;
}}
"""

C = """
#include <stdio.h>
#include <time.h>
static const char kOrder[] = "{order}";
static volatile unsigned g_sink;
{functions}
static void (*const kParts[])(void) = {{{table}}};
int main(void) {{
  for (int round = 0; round < {rounds}; ++round) {{
    for (const char* at = kOrder; *at; ++at) kParts[*at - 'a']();
  }}
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  printf("cpu_ns %lld\\n", used.tv_sec * 1000000000LL + used.tv_nsec);
}}
"""
C_FUNCTION = """
__attribute__((noinline)) void part_{part}(void) {{
  for (unsigned i = 0; i < 20000; ++i) g_sink += i ^ {number}u;
}}
"""

# A class for each: a call that may lead to twenty of them is not inlined, so each has frames of its own.
JAVA = """
interface Part {{ int run(); }}
{functions}
public class Shares {{
  static final String ORDER = "{order}";
  static final Part[] PARTS = {{{table}}};
  public static void main(String[] arguments) {{
    int total = 0;
    for (int round = 0; round < {rounds}; ++round) {{
      for (int i = 0; i < ORDER.length(); ++i) total ^= PARTS[ORDER.charAt(i) - 'a'].run();
    }}
    var system = (com.sun.management.OperatingSystemMXBean)
        java.lang.management.ManagementFactory.getOperatingSystemMXBean();
    System.out.println("cpu_ns " + system.getProcessCpuTime() + (total == 1 ? " " : ""));
  }}
}}
"""
JAVA_FUNCTION = """
final class part_{part} implements Part {{
  public int run() {{
    int x = {number};
    for (int i = 0; i < 20000; ++i) x = x * 31 + i;
    return x;
  }}
}}
"""


def source(text, function, call, rounds):
    parts = sorted(CALLS)
    functions = "".join(function.format(part=part, number=number) for number, part in enumerate(parts, 1))
    return text.format(order=order(), functions=functions, rounds=rounds,
                       table=", ".join(call.format(part) for part in parts))


def written(folder, python):
    """{language: the command that runs it}"""
    folder = pathlib.Path(folder)
    (folder / "shares.py").write_text(source(PYTHON, PYTHON_FUNCTION, "part_{}", 55))
    (folder / "shares.js").write_text(source(NODE, NODE_FUNCTION, "part_{}", 18))
    (folder / "shares.c").write_text(source(C, C_FUNCTION, "part_{}", 10))
    (folder / "Shares.java").write_text(source(JAVA, JAVA_FUNCTION, "new part_{}()", 20))
    # At fixed addresses, so that an address in a profile is the one in the program's table of symbols.
    subprocess.run(["cc", "-O2", "-g", "-fno-omit-frame-pointer", "-fno-pie", "-no-pie", "-o",
                    folder / "shares", folder / "shares.c"], check=True)
    subprocess.run(["javac", "-d", folder, folder / "Shares.java"], check=True)
    return {"C": [str(folder / "shares")], "Python": [python, str(folder / "shares.py")],
            "Node": ["node", str(folder / "shares.js")],
            # One collector and few threads: what the JVM does beside the program is not what is compared.
            "Java": ["java", "-XX:+UseSerialGC", "-cp", str(folder), "Shares"]}
