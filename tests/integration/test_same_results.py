"""Programs of all kinds give the same output and status with the library as without it.

Each runs twice in folders of its own, once as it is and once under `lamprey run --quiet`, and must
have been recorded there. Test suites of others are in test_cpython.py and test_suites.py.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
import record_schema

SECONDS = 60


class Pair:
    """Runs a command without and with the library."""

    def __init__(self, build, workspace, wrap):
        self.lamprey = build / "bin" / "lamprey"
        self.workspace = workspace
        self.wrap = wrap

    def _run(self, name, command, stdin, env):
        folder = self.workspace / name / "here"  # equal to both, as far as they can see
        folder.mkdir(parents=True)
        inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        ran = subprocess.run(
            self.wrap(list(map(str, command))),
            cwd=folder,
            env={**inherited, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        # Some print the folder's path or a process's number, which are others each time.
        return ran.returncode, *(
            re.sub(r"\bprocess \d+", "process N", text.replace(str(folder), "HERE"))
            for text in (ran.stdout, ran.stderr)
        )

    def check(self, *command, stdin="", env=None, recorded=True):
        """Status, stdout and stderr of both; returns the plain ones and the record."""
        out = self.workspace / "records.jsonl"
        plain = self._run("plain", command, stdin, env)
        under = [self.lamprey, "run", "--quiet", "--out", out, "--", *command]
        with_it = self._run("recorded", under, stdin, env)
        if not recorded:
            said = with_it[2].splitlines()[-1]
            assert said.startswith("lamprey: no recording"), with_it[2]
            with_it = (*with_it[:2], with_it[2].replace(said + "\n", ""))
        assert with_it == plain
        records = [record_schema.check(line) for line in out.read_text().splitlines()]
        assert len(records) == (1 if recorded else 0)
        return plain, records[0] if records else None


@pytest.fixture
def pair(build, workspace, local_lambda):
    return Pair(build, workspace, local_lambda.wrap)


def need(program):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} here")
    return found


# ---- what passes through ------------------------------------------------------------------------


def test_input_output_and_status_pass_through(pair):
    need("bash")
    script = 'read -r a; echo "out $a"; echo "err $a" >&2; exit 42'
    (status, stdout, stderr), _ = pair.check("bash", "-c", script, stdin="line\n")
    assert (status, stdout, stderr) == (42, "out line\n", "err line\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGPIPE])
def test_death_by_a_signal_passes_through(pair, number):
    perl = need("perl")
    (status, _, _), record = pair.check(perl, "-e", f"kill {int(number)}, $$; sleep 5")
    assert status == -number
    assert record["status"] == "crash" and record["death"]["signal"] == number.name


def test_a_program_that_is_not_there(pair):
    ran = subprocess.run(
        [pair.lamprey, "run", "--", "no-such-program"], capture_output=True, text=True
    )
    assert ran.returncode == 127
    assert ran.stderr.count("\n") == 1 and "no-such-program" in ran.stderr


# ---- programs -----------------------------------------------------------------------------------


GIT = """
set -e
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
"$GIT" init -q -b main .
for i in $(seq 200); do echo "line $i" >"file $i"; done
"$GIT" add . ; "$GIT" commit -q -m one
echo changed >'file 7'; "$GIT" diff; "$GIT" commit -q -a -m two
"$GIT" log --stat; "$GIT" gc -q; "$GIT" fsck --strict; "$GIT" clone -q . copy
"$GIT" -C copy log --format=%H%n%s; "$GIT" -C copy grep -n 'line 19'
"$GIT" -C copy rebase -q HEAD~1 && echo rebased
"$GIT" show --no-such-option || echo "refused $?"
"""


def test_git(pair, build):
    """Each git command by itself under the library, not only the shell that starts them."""
    git = need("git")
    (status, stdout, _), _ = pair.check("bash", "-c", GIT, env={"GIT": git})
    assert status == 0 and "refused" in stdout and "rebased" in stdout
    env = {"GIT": str(build / "bin" / "lamprey") + " run --quiet -- git"}
    script = GIT.replace('"$GIT"', "$GIT")
    each = pair._run("each", ["bash", "-c", script], "", env)
    assert each[:2] == (status, stdout)


BASH = r"""
trap 'echo leaving' EXIT; trap 'echo usr1' USR1
kill -USR1 $$
echo one two three | tr ' ' '\n' | sort -r | paste -sd,
x=$(for i in $(seq 500); do echo "$i"; done | awk '{ s += $1 } END { print s }'); echo "$x"
coproc cat; echo through >&"${COPROC[1]}"; read -r y <&"${COPROC[0]}"; echo "$y"
exec {COPROC[1]}>&-; wait
for i in 1 2 3 4; do (sleep 0.0$i; exit $i) & done
for job in $(jobs -p); do wait "$job"; echo "job $?"; done
diff <(seq 5) <(seq 6); echo "diff $?"
exec 7<<<'here string' 8>&1; cat <&7 >&8; exec 7<&- 8>&-
(ulimit -n 20; exec 3</dev/null; ls /proc/self/fd | wc -l)
timeout 0.1 sleep 5; echo "timeout $?"
false | true; echo "${PIPESTATUS[*]}"
cat /dev/null /does/not/exist; echo "cat $?"
"""


def test_bash_scripts(pair):
    need("bash")
    (status, stdout, stderr), _ = pair.check("bash", "-c", BASH)
    assert status == 0 and stdout.endswith("leaving\n") and "does/not/exist" in stderr


SQLITE = """
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n REAL);
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 20000)
INSERT INTO t SELECT x, 'name ' || x, x * 1.5 FROM c;
CREATE INDEX i ON t(name);
SELECT count(*), sum(n), max(name) FROM t WHERE name LIKE '%77%';
BEGIN; DELETE FROM t WHERE id % 3 = 0; ROLLBACK;
PRAGMA journal_mode=WAL; UPDATE t SET n = n + 1; PRAGMA integrity_check;
VACUUM; SELECT count(*) FROM t; SELECT * FROM absent;
"""


def test_sqlite3(pair):
    need("sqlite3")
    (status, stdout, stderr), record = pair.check("sqlite3", "data.db", stdin=SQLITE)
    assert status == 1 and "ok\n20000" in stdout and "absent" in stderr
    assert record["calls"]["total"] > 100


NODE = """
const fs = require("fs"), http = require("http"), { execSync, spawn } = require("child_process");
const { Worker } = require("worker_threads"), crypto = require("crypto"), zlib = require("zlib");
fs.writeFileSync("f", "x".repeat(1e6));
console.log(fs.readFileSync("f").length, execSync("echo child").toString());
console.log(crypto.createHash("sha256").update(fs.readFileSync("f")).digest("hex"));
console.log(zlib.gunzipSync(zlib.gzipSync("round trip")).toString());
new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true })
  .on("message", (m) => console.log("worker", m)).on("exit", () => {
  const server = http.createServer((q, r) => r.end(q.url)).listen(0, "127.0.0.1", () => {
    http.get({ port: server.address().port, path: "/there" }, (r) => {
      r.on("data", (d) => console.log(String(d))).on("end", () => {
        server.close();
        spawn("false").on("exit", (code) => process.exit(code + 4));
      });
    });
  });
});
"""


def test_node(pair):
    (status, stdout, _), record = pair.check(need("node"), "-e", NODE)
    assert status == 5 and "/there" in stdout and "worker 42" in stdout
    assert record["memory"]["allocations"] > 1000


def test_java_version(pair):
    java = pathlib.Path(need("java")).resolve()  # not a version manager's script
    (status, stdout, stderr), _ = pair.check(java, "-version")
    assert status == 0 and "version" in stdout + stderr


JAVA = """
import java.util.*; import java.util.concurrent.*; import java.nio.file.*;
public class Main {
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Integer>> results = new ArrayList<>();
    for (int i = 0; i < 100; i++) { int n = i; results.add(pool.submit(() -> n * n)); }
    int sum = 0; for (Future<Integer> f : results) sum += f.get();
    pool.shutdown();
    Files.writeString(Path.of("f"), "content");
    System.out.println(sum + Files.readString(Path.of("f")));
    Process p = new ProcessBuilder("echo", "child").inheritIO().start(); p.waitFor();
    try { ((Object) null).toString(); }
    catch (NullPointerException e) { System.out.println("caught"); }
    System.exit(9);
  }
}
"""


def test_java_program(pair, workspace):
    java, javac = pathlib.Path(need("java")).resolve(), need("javac")
    (workspace / "Main.java").write_text(JAVA)
    subprocess.run([javac, "-d", workspace, workspace / "Main.java"], check=True)
    (status, stdout, _), record = pair.check(java, "-cp", workspace, "Main")
    assert (status, stdout) == (9, "328350content\nchild\ncaught\n")  # a SIGSEGV handler among it
    assert record["memory"]["allocations"] > 1000


RUBY = """
require "socket"; require "digest/sha2"; Digest::SHA256  # its autoload is no matter for threads
r, w = IO.pipe
pid = fork { r.close; w.puts "from the child"; exit! 3 }
w.close; puts r.read; Process.wait pid; puts $?.exitstatus
puts (1..8).map { |i| Thread.new { Digest::SHA256.hexdigest("x" * 100_000 * i) } }.map(&:value)
server = TCPServer.new("127.0.0.1", 0)
t = Thread.new { c = server.accept; c.puts c.gets; c.close }
s = TCPSocket.new("127.0.0.1", server.addr[1]); s.puts "echo"; puts s.gets; t.join
puts `echo backticks`, $?.success?
trap("USR1") { puts "signal" }; Process.kill("USR1", $$); sleep 0.05
system("exit 7"); exit $?.exitstatus
"""


def test_ruby(pair):
    (status, stdout, _), record = pair.check(need("ruby"), "-e", RUBY)
    assert status == 7 and "from the child\n3\n" in stdout and "signal" in stdout
    assert record["memory"]["allocations"] > 1000


PERL = r"""
use strict; use Socket; use IO::Handle; $| = 1;
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; $_->autoflush(1) for $a, $b;
my $pid = fork; if (!$pid) { close $a; print $b "hello from child\n"; exit 5 } close $b;
print scalar <$a>; waitpid $pid, 0; print $? >> 8, "\n";
my %h = map { $_ => "v" x $_ } 1 .. 2000; print length(join ",", map { $h{$_} } sort keys %h), "\n";
open my $p, "-|", "sort -n" or die; close $p;
print `seq 3`; local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 3;
eval { die "caught\n" }; print $@; exit 6;
"""


def test_perl(pair):
    (status, stdout, _), record = pair.check(need("perl"), "-e", PERL)
    assert status == 6 and "hello from child\n5\n" in stdout and "alarm\ncaught" in stdout
    assert record["memory"]["allocations"] > 1000


def test_gdb(pair):
    gdb = need("gdb")
    (status, stdout, _), _ = pair.check(gdb, "--version")
    assert status == 0 and "GNU gdb" in stdout


def test_gdb_debugs_a_program(pair):
    gdb = need("gdb")
    commands = ["break main", "run", "continue", "print $_exitcode", "quit"]
    source = pair.workspace / "main.c"
    source.write_text("#include <stdio.h>\nint main(void) { puts(\"debugged\"); return 4; }\n")
    program = pair.workspace / "program"
    subprocess.run(["gcc", "-g", source, "-o", program], check=True)
    words = [word for command in commands for word in ("-ex", command)]
    (status, stdout, _), _ = pair.check(
        gdb, "-nx", "-batch", *words, program, env={"DEBUGINFOD_URLS": ""}
    )
    assert status == 0 and stdout.endswith("$1 = 4\n")


# ---- other allocators and another libc ----------------------------------------------------------


def compiled(root, workspace, compiler, *flags):
    need(compiler)
    program = workspace / "allocates"
    source = root / "tests" / "integration" / "handlers" / "allocates.c"
    ran = subprocess.run(
        [compiler, "-O1", "-pthread", source, "-o", program, *flags], capture_output=True, text=True
    )
    if ran.returncode != 0:
        pytest.skip(f"cannot be built here: {ran.stderr.strip().splitlines()[0]}")
    return program


@pytest.mark.parametrize(
    "flags",
    [[], ["-ljemalloc"], ["-l:libjemalloc.a", "-lm", "-ldl", "-lstdc++"]],
    ids=["glibc", "jemalloc", "jemalloc linked in"],
)
def test_a_program_with_its_own_allocator(root, pair, workspace, flags):
    program = compiled(root, workspace, "gcc", *flags)
    (status, stdout, stderr), record = pair.check(program)
    assert status == 3 and stdout.strip().isdigit() and stderr == ""
    if "-l:libjemalloc.a" in flags:
        return  # its calls never leave the program: nothing of them can be seen
    blocks = record["memory"]["allocations"] + record["memory"]["reallocations"]
    assert blocks >= 4 * 20000, "every call of the four threads"


def test_a_musl_program(root, pair, workspace, build):
    program = compiled(root, workspace, "musl-gcc")
    out = workspace / "attached.jsonl"
    command = [pair.lamprey, "run", "--quiet", "--out", out, "--", program]
    ran = subprocess.run(pair.wrap(list(map(str, command))), capture_output=True, text=True)
    # musl's loader takes the library or leaves it, by how that was built.
    pair.check(program, recorded="no recording" not in ran.stderr)
    assert ran.returncode == 3


def test_a_static_program(root, pair, workspace):
    program = compiled(root, workspace, "musl-gcc", "-static")
    (status, _, _), record = pair.check(program, recorded=False)
    assert status == 3 and record is None
